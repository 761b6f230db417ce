import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Availability, availabilityOf, eligible } from '../../../src/core/health/availability.js'

interface Endpoint {
  readonly name: string
  readonly backup: boolean
  readonly is: Availability
}

const AVAILABILITIES: readonly Availability[] = ['up', 'ejected', 'down']

/** `a:up b:down B:up`: those with a capital letter are backups. */
const endpointsOf = (text: string): readonly Endpoint[] =>
  text.split(' ').map((word) => {
    const [name = '', is] = word.split(':')
    const availability = AVAILABILITIES.find((each) => each === is)
    if (availability === undefined) throw new Error(`no availability in '${word}'`)
    return { name, backup: name === name.toUpperCase(), is: availability }
  })

const isOf = ({ is }: Endpoint): Availability => is

describe('availability', () => {
  it.each<[boolean, number, Availability]>([
    [false, 0, 'up'],
    [false, 1000, 'up'],
    [false, 1001, 'ejected'],
    [true, 0, 'down'],
    [true, 1001, 'down'],
  ])('with checks that say down: %s, and left out until %i, is at 1000 %s', (isDown, until, availability) => {
    expect(availabilityOf(isDown, until, 1000)).toBe(availability)
  })
})

describe('the endpoints that may get the next client', () => {
  it.each<[string, string]>([
    ['a:up b:up C:up', 'a b'],
    ['a:up b:ejected c:down', 'a'],
    ['a:ejected b:down c:up', 'c'],
    ['a:ejected b:down C:up', 'C'],
    ['C:up a:down b:up', 'b'],
    ['a:ejected b:ejected', 'a b'],
    ['a:ejected b:down C:ejected', 'a'],
    ['a:down C:ejected D:ejected', 'C D'],
    ['a:down C:up D:ejected', 'C'],
    ['a:down b:down C:down', ''],
    ['C:up D:up', 'C D'],
  ])('of %s are %s', (endpoints, names) => {
    const chosen = eligible(endpointsOf(endpoints), isOf)
    expect(chosen.map(({ name }) => name).join(' ')).toBe(names)
  })

  it('of none are none', () => {
    expect(eligible([], isOf)).toEqual([])
  })

  it('are the very list when all may', () => {
    const all = endpointsOf('a:up b:up c:up')
    expect(eligible(all, isOf)).toBe(all)
  })

  const anyEndpoint = fc.record({
    name: fc.constant('x'),
    backup: fc.boolean(),
    is: fc.constantFrom(...AVAILABILITIES),
  })

  it('are somebody as long as not everybody is down, all of one kind, and in the order of the list', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { maxLength: 8 }), (endpoints) => {
        const chosen = eligible(endpoints, isOf)
        expect(chosen.length === 0).toBe(endpoints.every(({ is }) => is === 'down'))
        const [first] = chosen
        expect(chosen).toEqual(
          endpoints.filter(({ is, backup }) => is !== 'down' && is === first?.is && backup === first.backup),
        )
      }),
    )
  })

  it('are found with one look at each, so that what another thread changes meanwhile does no harm', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { minLength: 1, maxLength: 8 }), (endpoints) => {
        const asked: Endpoint[] = []
        eligible(endpoints, (endpoint) => {
          asked.push(endpoint)
          return endpoint.is
        })
        expect(asked).toEqual(endpoints)
      }),
    )
  })

  it('are everybody but those that are down, when each try leaves out those before', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { maxLength: 8 }), (endpoints) => {
        let left: readonly Endpoint[] = endpoints
        let tried = 0
        for (;;) {
          const [next] = eligible(left, isOf)
          if (next === undefined) break
          tried++
          left = left.filter((endpoint) => endpoint !== next)
        }
        expect(tried).toBe(endpoints.filter(({ is }) => is !== 'down').length)
      }),
    )
  })
})
