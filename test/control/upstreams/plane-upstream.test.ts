import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UpstreamBoard } from '../../../src/control/upstreams/upstream-board.js'
import { eligible } from '../../../src/core/health/availability.js'
import { eventually } from '../../support/scope.js'
import { type Client, FakeConn, Scene, settingsOf, settled } from './fake-engine.js'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const THREE = [`${A}:80`, `${B}:80`, `${C}:80`]
const FIRST = { endpoints: THREE, balance: 'first' } as const
const ONE = { endpoints: [`${A}:80`] }

const figures = ({ board }: Scene, slot = 0) => ({
  open: board.open(slot),
  busy: board.busy(slot),
  waiting: board.queue.waiting,
})
const NOTHING = { open: 0, busy: 0, waiting: 0 }

describe('a client’s way to an upstream', () => {
  it('goes from one endpoint to the next while dials fail, to each once, and ends as the last one did', () => {
    const scene = new Scene(FIRST)
    const client = scene.client()
    scene.engine.last.fails()
    scene.engine.last.fails('dial_timeout')
    scene.engine.last.fails()
    expect(client.told).toEqual([A, B, C, 'dial_failed'])
    expect(client.end?.error.message).toBe(`${C}: connection_refused`)
    expect(figures(scene)).toEqual(NOTHING)
    expect(scene.board.counts(1)).toMatchObject({ connected: 0, failed: 1 })
  })

  it('says dial_timeout where the last dial took too long', () => {
    const scene = new Scene(ONE)
    const client = scene.client()
    scene.engine.last.fails('dial_timeout')
    expect(client.end?.reason).toBe('dial_timeout')
  })

  it('ends with a place given back, and the health restored, when the connection has ended', () => {
    const scene = new Scene(ONE)
    const client = scene.served()
    expect(client.told).toEqual([A, 'reached'])
    expect(figures(scene)).toEqual({ open: 1, busy: 1, waiting: 0 })
    client.leave()
    expect(figures(scene)).toEqual(NOTHING)
    expect(scene.board.counts(0)).toMatchObject({ connected: 1, failed: 0 })
  })

  it('costs nothing when the client leaves while it is dialled for', () => {
    const scene = new Scene(ONE)
    const client = scene.client()
    expect(figures(scene)).toEqual({ open: 1, busy: 1, waiting: 0 })
    client.reach.cancel()
    client.reach.cancel()
    expect(scene.engine.last.state).toBe('cancelled')
    expect(figures(scene)).toEqual(NOTHING)
    expect(client.told).toEqual([A])
    expect(scene.board.isUp(0)).toBe(true)
  })

  it('says why there is none', () => {
    const scene = new Scene(FIRST)
    for (const slot of [0, 1, 2]) scene.board.setDown(slot, true)
    expect(scene.client().end).toMatchObject({
      reason: 'no_endpoint',
      error: { message: "no endpoint of 'it' is up (3 down)" },
    })
    scene.upstream.update({ ...settingsOf(FIRST), members: [] })
    expect(scene.client().end?.error.message).toBe("upstream 'it' has no endpoint")
  })
})

describe('a header for the upstream', () => {
  const PROXIED = { ...ONE, sendProxyProtocol: 'v1' } as const

  it('is sent before the client hears of the connection', async () => {
    const scene = new Scene(PROXIED)
    const client = scene.client('192.0.2.9:4711')
    const conn = scene.engine.last.connects()
    expect(client.isOver).toBe(false)
    await settled()
    expect(String(conn.written[0])).toBe('PROXY TCP4 192.0.2.9 10.0.0.1 4711 80\r\n')
    expect(client.upstream).toBe(conn)
  })

  it('that cannot be sent makes the dial fail', async () => {
    const scene = new Scene({ ...PROXIED, endpoints: THREE, balance: 'first' })
    const client = scene.client()
    const conn = new FakeConn()
    conn.writing = Promise.reject(new Error('EPIPE'))
    scene.engine.last.connects(conn)
    await settled()
    expect(conn.isDestroyed).toBe(true)
    expect(client.told).toEqual([A, B])
    expect(scene.board.counts(0)).toMatchObject({ failed: 1 })
    expect(figures(scene)).toEqual(NOTHING)
  })

  it('keeps its connection out of a pool that a reload opens while it is written', async () => {
    const scene = new Scene(PROXIED)
    const client = scene.client()
    const conn = scene.engine.last.connects()
    scene.upstream.update(settingsOf({ ...ONE, pool: { mode: 'reuse', stateless: true } }))
    await settled()
    expect(client.upstream).toBe(conn)
    expect(client.use?.reuseAfterMs).toBeNull()
    client.leave()
    expect(figures(scene)).toEqual(NOTHING)
  })

  it('that is under way when the client leaves ends with the connection', async () => {
    const scene = new Scene(PROXIED)
    const client = scene.client()
    const conn = scene.engine.last.connects()
    client.reach.cancel()
    expect(conn.isDestroyed).toBe(true)
    await settled()
    expect(client.told).toEqual([A])
    expect(figures(scene)).toEqual(NOTHING)
  })
})

describe('clients of endpoints that are full', () => {
  const LIMITED = { ...ONE, maxConnections: 1, queueTimeout: 0 }

  it('wait, and are served in the order they came', async () => {
    const scene = new Scene(LIMITED)
    const first = scene.served()
    const [second, third] = [scene.client(), scene.client()]
    expect([second.told, third.told]).toEqual([['queued'], ['queued']])
    expect(figures(scene)).toEqual({ open: 1, busy: 1, waiting: 2 })
    first.leave()
    // It comes between the place and those who wait for it.
    const late = scene.client()
    await settled()
    expect([second.told.at(-1), third.told.at(-1), late.told.at(-1)]).toEqual([A, 'queued', 'queued'])
    scene.engine.last.fails()
    await settled()
    expect([second.end?.reason, third.told.at(-1)]).toEqual(['dial_failed', A])
    third.reach.cancel()
    await settled()
    expect(late.told.at(-1)).toBe(A)
    late.reach.cancel()
    expect(figures(scene)).toEqual(NOTHING)
  })

  it('are no more than maxQueue; further ones are told', () => {
    const scene = new Scene({ ...LIMITED, maxQueue: 1 })
    scene.served()
    scene.client()
    expect(scene.client().end).toMatchObject({
      reason: 'queue_full',
      error: { code: 'queue_full', message: "1 clients wait for a connection to 'it' already (maxQueue)" },
    })
    const nobodyWaits = new Scene({ ...LIMITED, maxQueue: 0 })
    nobodyWaits.served()
    expect(nobodyWaits.client().end?.error.message).toContain('no client may wait')
  })

  it('are told when their patience is over', async () => {
    const scene = new Scene({ ...LIMITED, queueTimeout: 10 })
    scene.served()
    const client = scene.client()
    const end = await eventually('its end', () => client.end)
    expect(end).toMatchObject({
      reason: 'queue_timeout',
      error: { code: 'queue_timeout', message: "no connection to 'it' became free within 10 ms" },
    })
    expect(scene.board.queue.waiting).toBe(0)
  })

  it('do not hold up those behind them who could go where they have been in vain', async () => {
    const scene = new Scene({
      endpoints: [`${A}:80`, `${B}:80`],
      balance: 'first',
      maxConnections: 1,
      queueTimeout: 0,
      passiveHealth: { failures: 0 },
    })
    const inA = scene.served()
    const inB = scene.served()
    inA.leave()
    // It has tried A in vain, and B is full.
    const unlucky = scene.client()
    scene.engine.last.fails()
    expect(unlucky.told).toEqual([A, 'queued'])
    const next = scene.client()
    await settled()
    scene.engine.last.connects()
    expect(next.told.at(-1)).toBe('reached')
    expect(unlucky.told.at(-1)).toBe('queued')
    next.leave()
    inB.leave()
    await settled()
    scene.engine.last.connects()
    expect(unlucky.told.at(-1)).toBe('reached')
    unlucky.leave()
    expect([figures(scene, 0), figures(scene, 1)]).toEqual([NOTHING, NOTHING])
  })

  it('do not wait for what could not be reached before, nor when everything is down', async () => {
    const scene = new Scene({
      endpoints: [`${A}:80`, `${B}:80`],
      balance: 'first',
      maxConnections: 1,
      queueTimeout: 0,
    })
    scene.served()
    const onB = scene.client()
    const waiting = scene.client()
    onB.reach.cancel()
    await settled()
    scene.engine.last.fails()
    expect(waiting.told).toEqual(['queued', B, 'queued'])
    scene.board.setDown(0, true)
    scene.upstream.cut(0, 'test')
    await settled()
    expect(waiting.end?.reason).toBe('dial_failed')
  })

  it('are served when the limit rises, and when an endpoint comes', async () => {
    const scene = new Scene(LIMITED)
    scene.served()
    const [one, two] = [scene.client(), scene.client()]
    scene.upstream.update(settingsOf({ ...LIMITED, maxConnections: 2 }))
    await settled()
    expect([one.told.at(-1), two.told.at(-1)]).toEqual([A, 'queued'])
    scene.upstream.update(settingsOf({ ...LIMITED, maxConnections: 2, endpoints: THREE }))
    await settled()
    expect(two.told.at(-1)).toBe(B)
  })

  it('are served by a member that was left out, as soon as its time is over', async () => {
    const scene = new Scene({
      endpoints: THREE.slice(0, 2),
      balance: 'first',
      maxConnections: 1,
      queueTimeout: 0,
      passiveHealth: { backoff: 30 },
    })
    scene.client()
    scene.engine.last.fails()
    scene.engine.last.connects()
    expect(scene.news).toEqual(['0 ejected'])
    const waiting = scene.client()
    expect(waiting.told).toEqual(['queued'])
    scene.now += 30
    await eventually('it is dialled for', () => waiting.told.at(-1) === A)
  })

  it('are served by a member that was left out, when a dial that was under way shows that it works', async () => {
    const scene = new Scene({
      endpoints: THREE.slice(0, 2),
      maxConnections: 2,
      queueTimeout: 0,
      passiveHealth: { backoff: '1h', maxBackoff: '1h' },
    })
    const [onA] = [scene.client(), scene.client(), scene.client()].map((_, nth) => scene.engine.dials[nth])
    const [, , again] = scene.engine.dials
    expect([onA?.host, again?.host]).toEqual([A, A])
    again?.fails()
    const waiting = scene.client()
    expect(waiting.told).toEqual(['queued'])
    await settled()
    onA?.connects()
    await settled()
    expect(waiting.told.at(-1)).toBe(A)
  })

  it('take turns with those of other planes: whoever has none left says that there is room', async () => {
    const board = new UpstreamBoard(2)
    const [here, there] = [new Scene(LIMITED, { board, plane: 0 }), new Scene(LIMITED, { board, plane: 1 })]
    const client = here.served()
    const waiting = there.client()
    expect(waiting.told).toEqual(['queued'])
    await settled()
    client.leave()
    await settled()
    expect(here.news).toEqual(['room'])
    expect(board.queue.clearRoom()).toEqual([1])
    there.upstream.serve()
    expect(waiting.told.at(-1)).toBe(A)
  })

  it('find the room that was made on another plane just before they began to wait', async () => {
    const board = new UpstreamBoard(2)
    const [here, there] = [new Scene(LIMITED, { board, plane: 0 }), new Scene(LIMITED, { board, plane: 1 })]
    const client = here.served()
    const waiting = there.client()
    // Before the other plane could see it.
    board.queue.end(1)
    client.leave()
    board.queue.begin(1, 10)
    await settled()
    expect(waiting.told).toEqual(['queued', A])
  })
})

describe('the health of an endpoint', () => {
  it('leaves it out after a failed dial, and takes it back once one connects', () => {
    const scene = new Scene(FIRST)
    scene.client()
    scene.engine.last.fails()
    expect(scene.client().told).toEqual([B])
    scene.now += 1000
    scene.client()
    expect(scene.engine.last.host).toBe(A)
    scene.engine.last.connects()
    expect(scene.news).toEqual(['0 ejected', '0 restored'])
    expect(scene.board.isUp(0)).toBe(true)
  })

  it('is not proven by older connections that end', () => {
    const scene = new Scene(FIRST)
    const old = scene.served()
    scene.client()
    scene.engine.last.fails()
    old.leave('upstream_fin', 1000)
    expect(scene.client().told).toEqual([B])
    expect(scene.news).toEqual(['0 ejected'])
  })

  it('counts a failure right after it was taken back early', () => {
    const scene = new Scene(ONE)
    scene.client()
    scene.engine.last.fails()
    scene.served()
    expect(scene.board.isUp(0)).toBe(true)
    scene.client()
    scene.engine.last.fails()
    expect(scene.board.state(0, scene.now)).toBe('ejected')
    expect(scene.news).toEqual(['0 ejected', '0 restored', '0 ejected'])
  })

  it('suffers from resets without a word from the third in a row on', () => {
    const scene = new Scene(FIRST)
    const reset = (): void => scene.served().leave('upstream_reset', 0)
    reset()
    reset()
    scene.served().leave('client_fin', 5)
    reset()
    reset()
    expect(scene.news).toEqual([])
    reset()
    expect(scene.news).toEqual(['0 ejected'])
    expect(scene.board.counts(0)).toMatchObject({ connected: 6, failed: 0, refused: 5 })
    // A dial alone proves nothing then; whoever is served does.
    scene.now += 1000
    const trial = scene.served()
    expect(trial.told).toEqual([A, 'reached'])
    expect(scene.news).toEqual(['0 ejected'])
    trial.leave('upstream_fin', 5)
    expect(scene.news).toEqual(['0 ejected', '0 restored'])
  })

  it('does not suffer from what an upstream resets in the middle, or what others end', () => {
    const scene = new Scene({ ...ONE, passiveHealth: { failures: 1 } })
    for (let n = 0; n < 5; n++) {
      scene.served().leave('upstream_reset', 1)
      scene.served().leave('killed', 0)
      scene.served().leave('client_reset', 0)
    }
    expect(scene.board.hasNoFailures(0)).toBe(true)
  })

  it('that is down ends its sessions, where that is wished, and no others', () => {
    const check = { interval: '1s' }
    for (const onDown of ['cut', 'keep'] as const) {
      const scene = new Scene({ ...FIRST, check, onDown })
      const cut: string[] = []
      const link = (client: Client, name: string): void =>
        client.use?.linked({
          totals: { upstream: 0, downstream: 0 },
          cut: (reason, error) => {
            cut.push(`${name} ${reason} ${error.message}`)
            client.leave('endpoint_down', 0)
          },
        })
      const [one, two] = [scene.served(), scene.served()]
      link(one, 'one')
      link(two, 'two')
      scene.board.setDown(0, true)
      const other = scene.served()
      link(other, 'other')
      // A name that is gone for a while: the member is the same when it comes back.
      scene.upstream.update({ ...settingsOf({ ...FIRST, check, onDown }), members: [] })
      scene.upstream.update(settingsOf({ ...FIRST, check, onDown }))
      scene.upstream.cut(0, 'no answer')
      const message = `endpoint_down ${A}:80 is down: no answer`
      expect(cut).toEqual(onDown === 'keep' ? [] : [`one ${message}`, `two ${message}`])
      for (const client of [one, two, other]) client.leave()
      expect(figures(scene)).toEqual(NOTHING)
    }
  })
})

describe('whatever happens in whatever order', () => {
  const BACKUP = { address: `${C}:80`, backup: true }
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('come' as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('connect', 'fail', 'cancel', 'end', 'reset'),
        nth: fc.nat(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.nat(3000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('down', 'up'), nth: fc.nat() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('update' as const),
        size: fc.integer({ min: 0, max: 3 }),
        max: fc.integer({ min: 1, max: 3 }),
      }),
    },
  )

  it('no place is lost, none is given twice, the limits hold, and nobody is forgotten', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('round_robin', 'least_conn', 'random', 'source_hash', 'first' as const),
        fc.constantFrom(null, 'v2' as const),
        fc.array(step, { minLength: 10, maxLength: 120 }),
        async (balance, version, steps) => {
          const endpoints = [`${A}:80`, `${B}:80`, BACKUP]
          const input = {
            endpoints,
            balance,
            maxConnections: 2,
            maxQueue: 4,
            queueTimeout: 0,
            ...(version === null ? {} : { sendProxyProtocol: version }),
          }
          const scene = new Scene(input)
          const { board, engine, upstream } = scene
          const clients: Client[] = []
          let max = 2
          const pick = <T>(from: readonly T[], nth: number): T | undefined => from[nth % from.length]
          const linked = () => clients.filter(({ use }) => use !== null)
          const reaching = () => clients.filter(({ isOver }) => !isOver)
          for (const each of steps) {
            const nth = 'nth' in each ? each.nth : 0
            if (each.do === 'come') clients.push(scene.client(`192.0.2.${clients.length % 7}:1`))
            if (each.do === 'connect') pick(engine.open, nth)?.connects()
            if (each.do === 'fail') pick(engine.open, nth)?.fails()
            if (each.do === 'cancel') {
              const client = pick(reaching(), nth)
              client?.reach.cancel()
              if (client !== undefined) clients.splice(clients.indexOf(client), 1)
            }
            if (each.do === 'end') pick(linked(), nth)?.leave('upstream_fin', 1)
            if (each.do === 'reset') pick(linked(), nth)?.leave('upstream_reset', 0)
            if (each.do === 'settle') await settled()
            if (each.do === 'time') {
              scene.now += each.ms
              // As its timer would.
              upstream.serve()
            }
            if (each.do === 'down' || each.do === 'up') {
              board.setDown(nth % 3, each.do === 'down')
              if (each.do === 'down') upstream.cut(nth % 3, 'test')
              else upstream.serve()
            }
            if (each.do === 'update') {
              max = each.max
              const settings = settingsOf({ ...input, maxConnections: max })
              upstream.update({ ...settings, members: settings.members.slice(0, each.size) })
            }
            const isOver = [0, 1, 2].some(
              (slot) =>
                board.open(slot) > 3 || board.busy(slot) !== board.open(slot) || board.queue.waiting > 4,
            )
            if (isOver) throw new Error(`a limit does not hold after ${JSON.stringify(each)}`)
          }
          await settled()
          const open = [0, 1, 2].reduce((sum, slot) => sum + board.open(slot), 0)
          expect(open).toBe(engine.open.length + linked().length)
          expect(board.queue.waiting).toBe(reaching().length - engine.open.length)
          // Whoever is the first of those that wait has nowhere to go.
          const canGo = ({ reach }: Client): boolean =>
            eligible(
              upstream.settings.members.filter(({ slot }) => !reach.tried.includes(slot)),
              ({ slot }) => board.state(slot, scene.now),
            ).some(({ slot }) => board.open(slot) < max)
          const waiting = reaching().filter(({ told }) => told.at(-1) === 'queued')
          expect(waiting).toHaveLength(board.queue.waiting)
          expect(waiting.length === 0 || !waiting.every(canGo)).toBe(true)
          for (const client of clients) {
            client.reach.cancel()
            client.leave()
          }
          await settled()
          for (const slot of [0, 1, 2]) expect([board.open(slot), board.busy(slot)]).toEqual([0, 0])
          expect(board.queue.waiting).toBe(0)
          upstream.retire()
        },
      ),
      { numRuns: 200 },
    )
  }, 60_000)
})
