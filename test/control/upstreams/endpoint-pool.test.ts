import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PoolConfig } from '../../../src/config/config.js'
import type { EndpointHost } from '../../../src/control/upstreams/endpoint.js'
import { EndpointPool, type Pooled } from '../../../src/control/upstreams/endpoint-pool.js'
import type { Turn, UpstreamSettings } from '../../../src/control/upstreams/settings.js'
import { UpstreamBoard } from '../../../src/control/upstreams/upstream-board.js'
import type { Address } from '../../../src/core/address.js'
import { TidegateError } from '../../../src/errors.js'
import type { Conn, DialDone, Engine, UpstreamLeft } from '../../../src/ports/engine.js'
import { PeerConn } from '../peer-conn.js'

const ADDRESS: Address = { kind: 'tcp', host: '10.0.0.7', port: 6379 }
const PLANE = 0
const SLOT = 3

const POOL: PoolConfig = {
  mode: 'reuse',
  min: 0,
  max: 4,
  idleTimeoutMs: 0,
  maxAgeMs: 0,
  maxUses: 0,
  reset: null,
  stateless: true,
  quietMs: 0,
}

class FakeConn extends PeerConn {
  state: UpstreamLeft = 'clean'
  onLeave: ((how: 'fin' | 'reset') => void) | null = null
  /** When it is asked, it takes that long to know. */
  confirms: Promise<UpstreamLeft> | null = null

  override left(): UpstreamLeft {
    return this.state
  }

  override confirm(): UpstreamLeft {
    // As the engine that reads ahead.
    return (this.confirms ?? this.state) as UpstreamLeft
  }

  override isIdleAndAlive(): boolean {
    return this.state === 'clean'
  }

  override watch(onLeave?: ((how: 'fin' | 'reset') => void) | null): void {
    this.onLeave = onLeave ?? null
  }

  override destroy(): void {
    this.state = 'failed'
  }
}

const setup = (pool: Partial<PoolConfig> = {}, maxConnections = 0) => {
  const board = new UpstreamBoard(1)
  const dials = new Set<DialDone>()
  const said: string[] = []
  const told: string[] = []
  const clock = { now: 1_000_000 }
  const settings = {
    name: 'pooled',
    maxConnections,
    pool: { ...POOL, ...pool },
    dial: { timeoutMs: 0 },
  } as UpstreamSettings
  const host = {
    engine: {
      hasSpare: () => true,
      dial: (_: Address, __: unknown, done: DialDone) => {
        dials.add(done)
        return { cancel: () => dials.delete(done) }
      },
    } as unknown as Engine,
    board,
    plane: PLANE,
    settings,
    share: (count: number) => count,
    now: () => clock.now,
    news: { turned: (_: string, __: number, turn: Turn) => void told.push(turn.message) },
    roomMade: () => void said.push('room'),
  }
  const owner = {
    member: { slot: SLOT, address: ADDRESS },
    failed: () => void said.push('failed'),
    worked: () => void said.push('worked'),
  }
  const endpoint = new EndpointPool(owner, host as unknown as EndpointHost)
  const change = (changed: Partial<PoolConfig>, most = maxConnections): void => {
    host.settings = { ...settings, maxConnections: most, pool: { ...settings.pool, ...changed } }
    endpoint.settingsChanged()
  }
  const finishDial = (conn: Conn | null): void => {
    const [done] = dials
    if (done === undefined) throw new Error('nothing is being dialled')
    dials.delete(done)
    done(conn === null ? new TidegateError('dial_failed', 'refused', { fault: 'peer' }) : null, conn)
  }
  /** As a client's own dial. */
  const adopted = (conn: Conn = new FakeConn()): Pooled => {
    if (!board.takePlace(PLANE, SLOT, maxConnections)) throw new Error('there is no place')
    const pooled = endpoint.adopt(conn)
    if (pooled === null) throw new Error('it is not adopted')
    return pooled
  }
  const back = async ({ member }: Pooled, left: UpstreamLeft = 'clean'): Promise<void> => {
    endpoint.takeBack(member, left)
    await turn()
  }
  return {
    endpoint,
    board,
    dials,
    said,
    told,
    clock,
    change,
    finishDial,
    adopted,
    back,
    open: () => board.open(SLOT),
    idle: () => board.idle(SLOT),
    counts: () => board.counts(SLOT),
  }
}

describe('a pool of spare connections', () => {
  it('dials ahead, one place each, and gives each to one client', () => {
    const { endpoint, dials, finishDial, open, idle } = setup({ mode: 'prewarm', min: 2, stateless: false })
    expect([dials.size, open()]).toEqual([2, 2])
    finishDial(new FakeConn())
    finishDial(new FakeConn())
    expect([idle(), open()]).toEqual([2, 2])
    const pooled = endpoint.take()!
    expect([dials.size, idle(), open()]).toEqual([1, 1, 3])
    endpoint.discard(pooled.member)
    expect([idle(), open()]).toEqual([1, 2])
    expect(endpoint.adopt(new FakeConn())).toBe(null)
  })

  it('keeps what the server said first for the first client, but nothing that has ended', () => {
    const { endpoint, finishDial } = setup({ mode: 'prewarm', min: 2, stateless: false })
    const [greeted, ended] = [new FakeConn(), new FakeConn()]
    finishDial(greeted)
    finishDial(ended)
    greeted.state = 'unread'
    ended.state = 'half_closed'
    expect(endpoint.take()?.member.conn).toBe(greeted)
    expect(endpoint.take()).toBe(null)
    expect(ended.state).toBe('failed')
  })

  it('gives the place of a dial that fails back, once it has told', () => {
    const { finishDial, said, open, counts } = setup({ mode: 'prewarm', min: 1, stateless: false })
    finishDial(null)
    expect([open(), counts().failed, said]).toEqual([0, 1, ['failed', 'room']])
  })

  it('dials nothing ahead while clients wait for a place, or when there is none', () => {
    const full = setup({ mode: 'prewarm', min: 3, stateless: false }, 2)
    expect([full.dials.size, full.open()]).toEqual([2, 2])
    const { board, endpoint, dials, finishDial, open } = setup({ mode: 'prewarm', min: 1, stateless: false })
    board.queue.begin(PLANE, 10)
    finishDial(new FakeConn())
    endpoint.take()
    expect([dials.size, open()]).toEqual([0, 1])
  })

  it('cancels dials under way when it is closed, and gives their places back', () => {
    const { endpoint, dials, open } = setup({ mode: 'prewarm', min: 3, stateless: false })
    endpoint.close()
    expect([dials.size, open()]).toEqual([0, 0])
  })
})

describe('a pool of connections that are reused', () => {
  it('keeps a clean one for the next client, and counts that when he has it', async () => {
    const { endpoint, adopted, back, open, idle, counts, said } = setup()
    const first = adopted()
    expect(first.wasReady).toBe(false)
    await back(first)
    expect([idle(), open(), said]).toEqual([1, 1, ['room']])
    const again = endpoint.take()!
    expect(again.member).toBe(first.member)
    expect(counts().reused).toBe(0)
    endpoint.serves(again.member)
    expect(counts()).toMatchObject({ reused: 1, spare: 0, unclean: 0 })
    expect([idle(), open()]).toEqual([0, 1])
  })

  it.each<UpstreamLeft>(['unread', 'half_closed', 'failed'])(
    'closes one that its link leaves %s, and one that turns out so',
    async (left) => {
      const { adopted, back, open, idle, counts } = setup()
      await back(adopted(), left)
      const later = new FakeConn()
      later.confirms = Promise.resolve(left)
      await back(adopted(later))
      expect([idle(), open(), counts().unclean]).toEqual([0, 0, 2])
      expect(later.state).toBe('failed')
    },
  )

  it('tells once a minute that connections are not proven clean, why, and how many', async () => {
    const { adopted, back, told, clock, counts } = setup()
    const fail = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        const conn = new FakeConn()
        const pooled = adopted(conn)
        conn.state = 'unread'
        await back(pooled)
      }
    }
    await fail(3)
    expect(told).toEqual(['a connection was not proven clean, and closed: it is unread'])
    clock.now += 60_000
    await fail(1)
    expect(told.slice(1)).toEqual(['a connection was not proven clean, and closed (3 times): it is unread'])
    expect(counts().unclean).toBe(4)
  })

  it('counts bytes that come to an idle one as unclean, and its death as nothing', async () => {
    const { endpoint, adopted, back, open, counts } = setup()
    const [talks, dies, ends] = [new FakeConn(), new FakeConn(), new FakeConn()]
    const uses = [talks, dies, ends].map(adopted)
    for (const use of uses) await back(use)
    talks.state = 'unread'
    ends.state = 'half_closed'
    dies.state = 'failed'
    dies.onLeave?.('reset')
    expect(endpoint.take()).toBe(null)
    expect([open(), counts().unclean]).toEqual([0, 1])
  })

  it('counts bytes that are found at the last moment as unclean', async () => {
    const { endpoint, adopted, back, open, counts } = setup()
    const conn = new FakeConn()
    await back(adopted(conn))
    const pooled = endpoint.take()!
    conn.state = 'unread'
    endpoint.discard(pooled.member)
    expect([open(), counts().unclean]).toEqual([0, 1])
  })

  it('keeps no more than max idle, and asks no proof of what it does not keep', async () => {
    const { adopted, back, idle, open } = setup({ max: 1 })
    const [first, second] = [adopted(), adopted()]
    await back(first)
    const conn = second.member.conn as FakeConn
    conn.confirms = Promise.reject(new Error('it was asked'))
    conn.confirms.catch(() => {})
    await back(second)
    expect([idle(), open()]).toEqual([1, 1])
  })

  it('closes what comes back when it was closed meanwhile, also in the middle of the proof', async () => {
    const { endpoint, adopted, back, idle, open } = setup()
    const [first, second, third] = [adopted(), adopted(), adopted()]
    await back(first)
    let prove: (left: UpstreamLeft) => void = () => {}
    const conn = second.member.conn as FakeConn
    conn.confirms = new Promise((resolve) => {
      prove = resolve
    })
    endpoint.takeBack(second.member, 'clean')
    endpoint.close()
    expect([idle(), open()]).toEqual([0, 2])
    prove('clean')
    await turn()
    expect(open()).toBe(1)
    await back(third)
    expect([idle(), open()]).toEqual([0, 0])
  })

  it('says nothing of idle connections any more when it is closed: another one may be in its place', async () => {
    const { endpoint, adopted, back, board, open } = setup()
    const [idle, used] = [adopted(), adopted()]
    await back(idle)
    expect(board.idle(SLOT)).toBe(1)
    endpoint.close()
    expect(board.idle(SLOT)).toBe(0)
    board.setIdle(PLANE, SLOT, 7)
    await back(used)
    expect([board.idle(SLOT), open()]).toEqual([7, 0])
  })

  it('closes idle ones beyond a lower max, or a lower maxConnections', async () => {
    const { adopted, back, change, idle, open } = setup()
    for (const use of [adopted(), adopted(), adopted(), adopted()]) await back(use)
    change({ max: 3 })
    expect([idle(), open()]).toEqual([3, 3])
    change({ max: 3 }, 1)
    expect([idle(), open()]).toEqual([1, 1])
  })

  it('loses no place, whatever happens in whatever order', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('adopt', 'take', 'evict', 'fill', 'fail') }),
      fc.record({
        kind: fc.constantFrom('back', 'discard', 'die'),
        at: fc.nat(5),
        left: fc.constantFrom<UpstreamLeft>('clean', 'unread', 'half_closed', 'failed'),
      }),
    )
    const settings = fc.record({ min: fc.nat(2), max: fc.integer({ min: 2, max: 4 }), maxUses: fc.nat(3) })
    await fc.assert(
      fc.asyncProperty(settings, fc.array(step, { maxLength: 40 }), async (pool, steps) => {
        const most = 6
        const { endpoint, adopted, board, finishDial, dials, open, idle } = setup(pool, most)
        const held: Pooled[] = []
        const conns: FakeConn[] = []
        const fresh = (): FakeConn => {
          const conn = new FakeConn()
          conns.push(conn)
          return conn
        }
        for (const it of steps) {
          const at = 'at' in it ? it.at % Math.max(1, held.length) : 0
          if (it.kind === 'adopt' && open() < most) held.push(adopted(fresh()))
          else if (it.kind === 'take') {
            const pooled = endpoint.take()
            if (pooled !== null) {
              expect(['clean', 'unread']).toContain((pooled.member.conn as FakeConn).state)
              held.push(pooled)
            }
          } else if (it.kind === 'evict') endpoint.evictIdle(1)
          else if (it.kind === 'fill' && dials.size > 0) finishDial(fresh())
          else if (it.kind === 'fail' && dials.size > 0) finishDial(null)
          else if (it.kind === 'back' && 'left' in it)
            for (const { member } of held.splice(at, 1)) endpoint.takeBack(member, it.left)
          else if (it.kind === 'discard')
            for (const { member } of held.splice(at, 1)) endpoint.discard(member)
          else if (it.kind === 'die' && 'left' in it) {
            const conn = conns[at]
            if (conn !== undefined && conn.state !== 'failed') {
              conn.state = it.left
              if (it.left === 'failed') conn.onLeave?.('reset')
            }
          }
          if ('left' in it && it.left === 'clean') await Promise.resolve()
          expect(open()).toBeLessThanOrEqual(most)
        }
        endpoint.close()
        for (const { member } of held) endpoint.discard(member)
        await turn()
        expect([open(), idle(), board.busy(SLOT), dials.size]).toEqual([0, 0, 0, 0])
        for (const { state } of conns) expect(state).toBe('failed')
      }),
      { numRuns: 300 },
    )
  })
})
