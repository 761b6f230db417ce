import { expect, test } from 'vitest'
import { type Address, parseAddress } from '../../../src/core/address.js'
import { compileSelection, type SelectionRules } from '../../../src/core/record/selection.js'

const ALL: SelectionRules = { sample: 1, sampleBy: 'client', allow: [], deny: [] }

const client = (host: string): Address => ({ kind: 'tcp', host, port: 40_000 })
const never = (): number => {
  throw new Error('nothing is left to chance here')
}

/** 200 neighbours in each of some networks, which is where a bad hash shows. */
const NEIGHBOURS: readonly Address[] = [
  ...['10.0.0.', '10.0.1.', '192.168.7.', '203.0.113.'].map((net) => (n: number) => `${net}${n}`),
  ...['2001:db8::', '2001:db8:0:1::', 'fd00::1:'].map((net) => (n: number) => `${net}${n.toString(16)}`),
].flatMap((at) => Array.from({ length: 200 }, (_, n) => client(at(n))))

test.each([0.01, 0.1, 0.5, 0.9])('of all neighbourhoods together a sample of %d is recorded', (sample) => {
  const isSelected = compileSelection({ ...ALL, sample }, never)
  const selected = NEIGHBOURS.filter(isSelected).length
  const expected = NEIGHBOURS.length * sample
  // Four standard deviations of a binomial distribution: it is always the same hash, so it holds or does not.
  expect(Math.abs(selected - expected)).toBeLessThan(4 * Math.sqrt(expected * (1 - sample)))
})

test.each(['10.0.0.', '2001:db8::'])('of neighbours at %s as many as of others', (net) => {
  const isSelected = compileSelection({ ...ALL, sample: 0.3 }, never)
  const selected = Array.from({ length: 250 }, (_, n) => client(`${net}${n}`)).filter(isSelected).length
  expect(selected).toBeGreaterThan(45)
  expect(selected).toBeLessThan(105)
})

test('a client has the same answer on every port, however its address is written, whenever it is asked', () => {
  const [one, other] = [0, 1].map(() => compileSelection({ ...ALL, sample: 0.5 }, never))
  for (const { host } of NEIGHBOURS.filter((address) => address.kind === 'tcp')) {
    const mapped = host.includes(':') ? host.toUpperCase() : `::ffff:${host}`
    expect(other?.({ kind: 'tcp', host: mapped, port: 1 })).toBe(one?.(client(host)))
  }
})

test('which clients those are is part of what is promised across versions', () => {
  const isSelected = compileSelection({ ...ALL, sample: 0.25 }, never)
  const selected = Array.from({ length: 40 }, (_, n) => `10.1.2.${n}`).filter((host) =>
    isSelected(client(host)),
  )
  expect(selected).toMatchInlineSnapshot(`
    [
      "10.1.2.0",
      "10.1.2.4",
      "10.1.2.8",
      "10.1.2.12",
      "10.1.2.20",
      "10.1.2.21",
      "10.1.2.22",
      "10.1.2.26",
      "10.1.2.27",
      "10.1.2.31",
    ]
  `)
})

test('a larger sample has everybody of a smaller one', () => {
  const small = compileSelection({ ...ALL, sample: 0.2 }, never)
  const large = compileSelection({ ...ALL, sample: 0.4 }, never)
  expect(NEIGHBOURS.filter(small).every(large)).toBe(true)
})

test.each(['client', 'random'] as const)(
  'by %s, a sample of 0 has nobody and one of 1 everybody',
  (sampleBy) => {
    for (const sample of [0, 1])
      expect(NEIGHBOURS.filter(compileSelection({ ...ALL, sample, sampleBy }, never)).length).toBe(
        sample * NEIGHBOURS.length,
      )
  },
)

test('at random, each connection is on its own', () => {
  const chances = [0.1, 0.3, 0.29, 0.9]
  const isSelected = compileSelection({ ...ALL, sample: 0.3, sampleBy: 'random' }, () => chances.shift() ?? 1)
  const same = parseAddress('10.0.0.1:1')
  expect([0, 1, 2, 3].map(() => isSelected(same))).toEqual([true, false, true, false])
})

test('clients of a unix socket, which have no address, are taken at random', () => {
  const chances = [0.1, 0.3]
  const isSelected = compileSelection({ ...ALL, sample: 0.3 }, () => chances.shift() ?? 1)
  const unix: Address = { kind: 'unix', path: '' }
  expect([isSelected(unix), isSelected(unix)]).toEqual([true, false])
})

test('the sample is of those that allow and deny leave', () => {
  const rules = { allow: ['10.0.0.0/8'], deny: ['10.0.0.7'] }
  const isSelected = compileSelection({ ...ALL, ...rules }, never)
  expect(['10.0.0.6', '10.0.0.7', '192.168.0.1'].map((host) => isSelected(client(host)))).toEqual([
    true,
    false,
    false,
  ])
  const half = compileSelection({ ...ALL, ...rules, sample: 0.5 }, never)
  const fromHalf = NEIGHBOURS.filter(half)
  expect(fromHalf.length).toBeGreaterThan(150)
  expect(fromHalf.every(isSelected)).toBe(true)
})
