/** Clients that wait on several planes for the places of one upstream, in whose memory all meet. */

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UpstreamBoard } from '../../../src/control/upstreams/upstream-board.js'
import { type Client, Scene, settled, type UpstreamInput } from './fake-engine.js'

const [A, B] = ['10.0.0.1', '10.0.0.2']
const ONE_PLACE = { endpoints: [`${A}:80`], maxConnections: 1, queueTimeout: 0 } as const

/** What is left to another plane is left for so long, ms: on a busy machine that would be over in no time. */
const PATIENCE_MS = 25

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** Planes on one board, and the main thread between them. */
class Fleet {
  readonly board: UpstreamBoard
  readonly planes: readonly Scene[]
  #delivered = 0

  constructor(count: number, input: UpstreamInput) {
    this.board = new UpstreamBoard(count)
    this.planes = Array.from({ length: count }, (_, plane) => new Scene(input, { board: this.board, plane }))
  }

  at(plane: number): Scene {
    const scene = this.planes[plane]
    if (scene === undefined) throw new Error(`there is no plane ${plane}`)
    return scene
  }

  /** A second later each time. */
  comes(plane: number): Client {
    this.passes(1000)
    return this.at(plane).client()
  }

  passes(ms: number): void {
    for (const scene of this.planes) scene.now += ms
  }

  get rooms(): number {
    return this.planes.reduce((sum, { news }) => sum + news.filter((each) => each === 'room').length, 0)
  }

  /** What was said reaches those whom it concerns; false: nothing was. */
  deliver(): boolean {
    if (this.rooms === this.#delivered) return false
    this.#delivered = this.rooms
    for (const plane of this.board.queue.clearRoom()) this.at(plane).upstream.serve()
    return true
  }

  /** Until nobody has anything to say. */
  async calm(): Promise<void> {
    for (let round = 0; round < 1000; round++) {
      await settled()
      if (!this.deliver()) return
    }
    throw new Error('they go on telling one another for ever')
  }

  connectAll(): void {
    for (const { engine } of this.planes) for (const dial of engine.open) dial.connects()
  }
}

/** The last that it was told: it may be told more than once that it has to wait. */
const where = ({ told }: Client): string | undefined => told.at(-1)

const isServed = ({ upstream }: Client): boolean => upstream !== null

describe('clients that wait on several planes', () => {
  it('are served in the order they came, wherever a place becomes free', async () => {
    const fleet = new Fleet(3, ONE_PLACE)
    let holder = fleet.comes(0)
    fleet.connectAll()
    // The first plane always has somebody who waits.
    const clients = [0, 0, 1, 0, 2, 1, 0, 0, 2, 0].map((plane) => fleet.comes(plane))
    for (const next of clients) {
      holder.leave()
      await fleet.calm()
      fleet.connectAll()
      expect(clients.filter((each) => isServed(each) && each !== holder && each.use !== null)).toEqual([next])
      holder = next
    }
    holder.leave()
    expect([fleet.board.open(0), fleet.board.queue.waiting]).toEqual([0, 0])
  })

  it('are not overtaken by one that comes where a place has just become free', async () => {
    const fleet = new Fleet(2, ONE_PLACE)
    const holder = fleet.comes(0)
    fleet.connectAll()
    const elder = fleet.comes(1)
    holder.leave()
    const late = fleet.comes(0)
    expect(where(late)).toBe('queued')
    await fleet.calm()
    expect([where(elder), where(late)]).toEqual([A, 'queued'])
  })

  it('cost no message while they wait about as long as those of the plane that has the place', async () => {
    const fleet = new Fleet(2, ONE_PLACE)
    const holder = fleet.comes(0)
    fleet.connectAll()
    fleet.comes(1)
    fleet.passes(2)
    const [mine, behind] = [fleet.at(0).client(), fleet.at(0).client()]
    await fleet.calm()
    const before = fleet.rooms
    holder.leave()
    await settled()
    expect([where(mine), where(behind)]).toEqual([A, 'queued'])
    expect(fleet.rooms).toBe(before)
  })

  it('get the place of a connection that is kept idle where younger ones wait', async () => {
    const fleet = new Fleet(2, { ...ONE_PLACE, pool: { mode: 'reuse', stateless: true, quiet: 0 } })
    const holder = fleet.comes(0)
    fleet.connectAll()
    const elder = fleet.comes(1)
    const mine = fleet.comes(0)
    await fleet.calm()
    holder.use?.takeBack('clean')
    // The proof takes its while.
    await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1)
    await fleet.calm()
    expect(where(elder)).toBe(A)
    expect(where(mine)).toBe('queued')
  })

  it('leave a place to others that has been kept for them in vain', async () => {
    const fleet = new Fleet(2, ONE_PLACE)
    const holder = fleet.comes(0)
    fleet.connectAll()
    const elder = fleet.comes(1)
    const mine = fleet.comes(0)
    await fleet.calm()
    holder.leave()
    await settled()
    // The other plane is busy: what it is told does not arrive.
    expect(where(mine)).toBe('queued')
    vi.advanceTimersByTime(PATIENCE_MS - 1)
    expect(where(mine)).toBe('queued')
    vi.advanceTimersByTime(1)
    expect(where(mine)).toBe(A)
    expect(where(elder)).toBe('queued')
    mine.reach.cancel()
    await fleet.calm()
    expect(where(elder)).toBe(A)
  })

  it('are waited for no more once their plane is dead', async () => {
    const fleet = new Fleet(2, ONE_PLACE)
    const holder = fleet.comes(0)
    fleet.connectAll()
    fleet.comes(1)
    const mine = fleet.comes(0)
    await fleet.calm()
    fleet.board.forget(1)
    holder.leave()
    await settled()
    expect(where(mine)).toBe(A)
    expect(fleet.board.queue.elder(0)).toBeNull()
  })

  it('hand on what is left to them when they have gone meanwhile', async () => {
    const fleet = new Fleet(3, ONE_PLACE)
    const holder = fleet.comes(0)
    fleet.connectAll()
    const elder = fleet.comes(1)
    const second = fleet.comes(2)
    const mine = fleet.comes(0)
    await fleet.calm()
    holder.leave()
    await settled()
    elder.reach.cancel()
    await fleet.calm()
    expect([where(second), where(mine)]).toEqual([A, 'queued'])
  })
})

it('a client whose dial has failed waits where it would if it had waited all the time', async () => {
  const fleet = new Fleet(1, {
    endpoints: [`${A}:80`, `${B}:80`],
    balance: 'first',
    maxConnections: 1,
    queueTimeout: 0,
    passiveHealth: { failures: 0 },
  })
  const unlucky = fleet.comes(0)
  const [toA] = fleet.at(0).engine.open
  const onB = fleet.comes(0)
  fleet.at(0).engine.last.connects()
  const next = fleet.comes(0)
  toA?.fails()
  await settled()
  // The next one has A's place, and has tried nothing yet: B is for who came first.
  const last = fleet.comes(0)
  expect([where(unlucky), where(next)]).toEqual(['queued', A])
  onB.leave()
  await settled()
  expect([where(unlucky), where(last)]).toEqual([B, 'queued'])
})

describe('whatever happens on whatever plane', () => {
  const step = fc.record({
    do: fc.constantFrom(
      'come',
      'come',
      'connect',
      'fail',
      'cancel',
      'end',
      'settle',
      'deliver',
      'time',
      'die',
    ),
    plane: fc.nat(2),
    nth: fc.nat(),
  })

  it('no place is left idle while somebody waits who could take it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 100 }), async (steps) => {
        const fleet = new Fleet(3, {
          endpoints: [`${A}:80`, `${B}:80`],
          maxConnections: 2,
          maxQueue: 8,
          queueTimeout: 0,
          passiveHealth: { failures: 0 },
        })
        const clients: (readonly Client[])[] = [[], [], []]
        const pick = <T>(from: readonly T[], nth: number): T | undefined => from[nth % from.length]
        let isDead = false
        for (const { do: what, plane, nth } of steps) {
          const scene = fleet.at(plane)
          const mine = clients[plane] ?? []
          if (isDead && plane === 2) continue
          if (what === 'come') clients[plane] = [...mine, scene.client()]
          if (what === 'connect') pick(scene.engine.open, nth)?.connects()
          if (what === 'fail') pick(scene.engine.open, nth)?.fails()
          if (what === 'cancel')
            pick(
              mine.filter(({ isOver }) => !isOver),
              nth,
            )?.reach.cancel()
          if (what === 'end')
            pick(
              mine.filter(({ use }) => use !== null),
              nth,
            )?.leave('upstream_fin', 1)
          if (what === 'settle') await settled()
          if (what === 'deliver') fleet.deliver()
          if (what === 'time') fleet.passes(nth % 20)
          if (what === 'die' && plane === 2 && nth % 4 === 0) {
            await settled()
            isDead = true
            fleet.board.forget(2)
            for (const each of [0, 1]) fleet.at(each).upstream.serve()
          }
          if ([0, 1].some((slot) => fleet.board.open(slot) > 2)) throw new Error('too many are open')
        }
        await fleet.calm()
        const { board } = fleet
        const hasRoom = board.open(0) < 2 || board.open(1) < 2
        const couldGo = [0, 1, 2].some((plane) => board.queue.elder((plane + 1) % 3)?.plane === plane)
        expect(hasRoom && couldGo).toBe(false)
        for (const mine of clients.slice(0, isDead ? 2 : 3))
          for (const client of mine) {
            client.reach.cancel()
            client.leave()
          }
        await settled()
        expect([board.open(0), board.open(1), board.queue.waiting]).toEqual([0, 0, 0])
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
