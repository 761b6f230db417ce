import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { median } from '../../support/figures.js'
import { payload } from '../../support/payload.js'
import { openFilesOf } from '../../support/proc.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { dial, exchange, LOOPBACK, startServer } from '../../support/sockets.js'
import { type Gateway, listening, portIn, startTidegate } from '../../support/tidegate.js'

/** Where there is one worker, each failure comes right after the one before, and is waited for longer and longer. */
const FAILURES = SETTING.workers === 1 ? 6 : 20

/** How soon the clients of a worker that failed see their connection close: most times, since the machine has hiccups. */
const CLOSED_WITHIN_MS = 1000

const FIXTURE = join(import.meta.dirname, '../../support/programs/failing-workers.mjs')

const STREAMS = 8
/** Echoed over and over. Its length shares no factor with a buffer's, so that a shift would show. */
const WORDS = payload(90, 1024 ** 2 + 1)
const BURST_BYTES = 32 * 1024
/** Paced, so that a small machine has time for the new workers, too. */
const BURST_EVERY_MS = 5

/** A client whose own words come back to it for as long as the connection lasts. */
class Stream {
  readonly #socket: Socket
  #sent = 0
  #heard = 0
  readonly port: number
  closedAt: number | null = null

  constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.localPort ?? 0
    const timer = setInterval(() => this.#speak(), BURST_EVERY_MS)
    socket.on('data', (chunk) => this.#hear(chunk))
    socket.once('close', () => {
      clearInterval(timer)
      this.closedAt = performance.now()
    })
    // A FIN or a reset: both are a close.
    socket.on('end', () => socket.destroy())
  }

  static async open(scope: Scope, port: number): Promise<Stream> {
    return new Stream(await dial(scope, port))
  }

  get heard(): number {
    return this.#heard
  }

  end(): void {
    this.#socket.end()
  }

  #speak(): void {
    if (this.#socket.writableNeedDrain || !this.#socket.writable) return
    const from = this.#sent % WORDS.length
    const piece = WORDS.subarray(from, from + BURST_BYTES)
    this.#sent += piece.length
    this.#socket.write(piece)
  }

  #hear(chunk: Buffer): void {
    for (let done = 0; done < chunk.length; ) {
      const from = this.#heard % WORDS.length
      const length = Math.min(chunk.length - done, WORDS.length - from)
      if (chunk.compare(WORDS, from, from + length, done, done + length) !== 0)
        throw new Error(`a stream got other bytes than its own, from ${this.#heard} on`)
      done += length
      this.#heard += length
    }
  }
}

/** Empty pipes are kept for later; everything else has to be as it was. */
const openFiles = ({ daemon }: Gateway): number =>
  openFilesOf(daemon.pid).filter((what) => !what.startsWith('pipe:')).length

const start = async (ends: Scope, args: readonly string[] = []) => {
  const echo = await startServer(ends, (socket) => socket.pipe(socket))
  const command = ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:${echo.port}`, ...args]
  const gateway = startTidegate(ends, command, { env: { NODE_OPTIONS: `--import=${FIXTURE}` } })
  const [address = ''] = (await listening(gateway)).values()
  let failures = 0
  return {
    echo,
    gateway,
    port: portIn(address),
    /** Has the next worker throw, and resolves once another serves. */
    failWorker: async (meanwhile?: () => Promise<void>): Promise<void> => {
      gateway.daemon.child.kill('SIGWINCH')
      failures++
      await meanwhile?.()
      await gateway.lines('that a new worker serves', ({ msg }) => msg === 'a new worker serves', failures)
    },
  }
}

/** Clients' ports of the connections that a worker took along, as the log has it from one line on. */
const victims = ({ log }: Gateway, from: number): ReadonlySet<number> =>
  new Set(
    log
      .slice(from)
      .flatMap(({ msg, reason, client }) =>
        msg === 'connection closed' && reason === 'error' ? [portIn(String(client))] : [],
      ),
  )

const PLACES = 4
const WAITING = 30

/** A client that waits to be served, and then stays until it is told to leave or its worker fails. */
class Waiting {
  readonly #socket: Socket
  /** `lost`: its connection ended before it was served. */
  state: 'waiting' | 'served' | 'gone' | 'lost' = 'waiting'

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('data', () => {
      this.state = 'served'
    })
    socket.on('end', () => socket.destroy())
    socket.once('close', () => {
      this.state = this.state === 'waiting' ? 'lost' : 'gone'
    })
    socket.write('?')
  }

  leave(): void {
    if (this.state === 'served') this.#socket.destroy()
  }
}

describe.skipIf(SETTING.workers === 0)('a worker that fails (where there are workers)', () => {
  it(`takes only its own connections along, and another takes its place, ${FAILURES} times under load`, async () => {
    const ends = testScope()
    const { echo, gateway, port, failWorker } = await start(ends)
    expect(String(await exchange(await dial(ends, port), Buffer.from('?')))).toBe('?')
    await eventually('the server to have no clients', () => echo.sockets.size === 0)
    const atRest = openFiles(gateway)

    let streams: Stream[] = []
    const delays: number[] = []
    let spared = 0
    for (let n = 0; n < FAILURES; n++) {
      while (streams.length < STREAMS) streams.push(await Stream.open(ends, port))
      await eventually('every stream to be under way', () => streams.every(({ heard }) => heard > 0))
      const logged = gateway.log.length
      const failedAt = performance.now()
      await failWorker()
      const gone = victims(gateway, logged)
      const [lost, left] = [
        streams.filter(({ port }) => gone.has(port)),
        streams.filter(({ port }) => !gone.has(port)),
      ]
      await eventually('its clients to see a close', () => lost.every(({ closedAt }) => closedAt !== null))
      for (const { closedAt } of lost) delays.push((closedAt ?? 0) - failedAt)
      const before = left.map(({ heard }) => heard)
      await eventually('the other streams to go on', () =>
        left.every(({ heard, closedAt }, at) => closedAt === null && heard > (before[at] ?? 0) + BURST_BYTES),
      )
      expect(String(await exchange(await dial(ends, port), Buffer.from('?')))).toBe('?')
      streams = left
      spared += left.length
    }

    expect(delays.length).toBeGreaterThan(0)
    expect(median(delays)).toBeLessThan(CLOSED_WITHIN_MS)
    if (SETTING.workers > 1) expect(spared).toBeGreaterThan(0)
    for (const stream of streams) stream.end()
    await eventually('the server to have no clients', () => echo.sockets.size === 0)
    await eventually('no more descriptors than before', () => openFiles(gateway) <= atRest)
    expect(await gateway.finish()).toBe(0)
    expect(gateway.noise).toEqual([])
  }, 120_000)

  it('resets nobody who waits in the backlog: all are served in the end', async () => {
    const ends = testScope()
    const { gateway, port, failWorker } = await start(ends, ['--max-connections', String(PLACES)])
    const waiting: Waiting[] = []
    for (let n = 0; n < WAITING; n++) waiting.push(new Waiting(await dial(ends, port)))
    const present = (): number => waiting.filter(({ state }) => state === 'served').length
    const failures = 3 * SETTING.workers
    for (let n = 0; n < failures; n++) {
      await eventually('every place to be taken', () => present() === PLACES)
      await failWorker()
    }
    await eventually('all to have been served', () => {
      for (const client of waiting) client.leave()
      return waiting.every(({ state }) => state === 'gone' || state === 'lost')
    })
    // Where several workers accept at once, each may hold one that it took just after the last place had gone.
    const lost = waiting.filter(({ state }) => state === 'lost').length
    expect(lost).toBeLessThanOrEqual(SETTING.workers === 1 ? 0 : failures)
    expect(await gateway.finish()).toBe(0)
    expect(gateway.noise).toEqual([])
  }, 60_000)

  it('does not turn away who comes while there is one worker less', async () => {
    const ends = testScope()
    const { gateway, port, failWorker } = await start(ends)
    await failWorker(async () => {
      await gateway.lines('that a worker failed', ({ msg }) => msg.startsWith('a worker failed'))
      const replies = Array.from({ length: WAITING }, async () => exchange(await dial(ends, port), WORDS))
      for (const reply of await Promise.all(replies)) expect(reply.equals(WORDS)).toBe(true)
    })
    expect(await gateway.finish()).toBe(0)
    expect(gateway.noise).toEqual([])
  }, 60_000)
})
