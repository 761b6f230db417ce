import { statSync, truncateSync } from 'node:fs'
import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { payload, seededRandom } from '../support/payload.js'
import { expectSameBytes, expectSound, listConnections, rawStreamTo } from '../support/recording.js'
import { blockScope, eventually, type Scope, testScope } from '../support/scope.js'
import { shareOf } from '../support/setting.js'
import { dial, exchange, freePort, startServer, type TestServer } from '../support/sockets.js'
import { type RecordingGateway, startRecorder, tidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'
import { readWithTshark } from '../support/tshark.js'

/** What was relayed this long before the kill has to be in the file; the recorder holds nothing back for longer. */
const STORED_WITHIN_MS = 1000

const CLIENTS = 2
/** Paces a client, so that recordings can be checked byte by byte in reasonable time. */
const BURST_EVERY_MS = 5

/** Each client says its own over and over. Its length shares no factor with a segment's, so that a shift would show. */
const QUESTION_BYTES = 8 * 1024 ** 2 + 1
const QUESTIONS = Array.from({ length: CLIENTS }, (_, n) => payload(20 + n, QUESTION_BYTES))

const random = seededRandom(9)
const between = (least: number, most: number): number => Math.round(least + random() * (most - least))

/** What a client sends, until the kill. */
type Pace = { readonly name: string; readonly burstBytes: number; readonly everyMs: number | null }

const STEADY: Pace = { name: 'in bursts', burstBytes: 32 * 1024, everyMs: BURST_EVERY_MS }
/** So little that nothing but the passing of time makes the recorder write. */
const THIN: Pace = { name: 'in drops', burstBytes: 64, everyMs: BURST_EVERY_MS }
/** As much as the gateway takes: the recorder's buffer is full, and its writes are large. */
const FULL_SPEED: Pace = { name: 'at full speed', burstBytes: 64 * 1024, everyMs: null }

/** In turn, the default as often as the others together: a killed process loses the same with each. */
const SYNCS = ['never', 'interval', 'never', 'always'] as const

const rounds = (count: number, pace: Pace, least: number, most: number, first = 0) =>
  Array.from({ length: count }, (_, n) => ({
    ...pace,
    delayMs: between(least, most),
    sync: SYNCS[(first + n) % SYNCS.length]!,
  }))

/**
 * The moments of the kill, in ms of traffic. Mostly early, where the file's beginning is still being written; some late
 * enough for bytes to have grown old.
 */
const ROUNDS = [
  ...rounds(4, STEADY, 5, 400),
  ...rounds(1, STEADY, 1100, 1700),
  ...rounds(1, THIN, 1100, 1700, 2),
  ...rounds(1, FULL_SPEED, 5, 400),
  ...rounds(1, FULL_SPEED, 1100, 1300, 1),
]

interface Sample {
  readonly at: number
  readonly bytes: number
}

/** How much had arrived at the far end of one direction, and when. */
class Arrivals {
  readonly #samples: Sample[] = []
  #total = 0

  add(bytes: number): void {
    this.#total += bytes
    this.#samples.push({ at: Date.now(), bytes: this.#total })
  }

  by(time: number): number {
    return this.#samples.findLast(({ at }) => at <= time)?.bytes ?? 0
  }
}

/** One client's traffic: its question goes up in bursts, and an echo server sends it back. */
interface Traffic {
  readonly up: Arrivals
  readonly down: Arrivals
  readonly localPort: number
}

/** Sends the question again and again, at this pace, until the socket is closed. */
const ask = (socket: Socket, question: Buffer, { burstBytes, everyMs }: Pace): void => {
  let at = 0
  const burst = (): boolean => {
    const chunk = question.subarray(at, at + burstBytes)
    at = (at + chunk.length) % question.length
    return socket.write(chunk)
  }
  if (everyMs === null) {
    const pour = (): void => {
      while (!socket.destroyed && burst());
    }
    socket.on('drain', pour)
    pour()
    return
  }
  const timer = setInterval(() => {
    if (!socket.writableNeedDrain && !socket.destroyed) burst()
  }, everyMs)
  socket.once('close', () => clearInterval(timer))
}

const startTraffic = async (
  scope: Scope,
  gateway: RecordingGateway,
  arrivedUp: Map<number, Arrivals>,
  question: Buffer,
  pace: Pace,
): Promise<Traffic> => {
  const socket = await dial(scope, gateway.port)
  const down = new Arrivals()
  socket.on('data', (chunk) => down.add(chunk.length))
  const up = new Arrivals()
  // The first 4 bytes tell the echo server whose stream it is counting.
  arrivedUp.set(question.readUInt32LE(0), up)
  ask(socket, question, pace)
  return { up, down, localPort: socket.localPort ?? 0 }
}

/** Takes a stream that has to be the question over and over, and counts it. */
const repeating = (question: Buffer, what: string) => {
  let total = 0
  return {
    push: (bytes: Uint8Array): void => {
      for (let done = 0; done < bytes.length; ) {
        const at = total % question.length
        const expected = question.subarray(at, at + bytes.length - done)
        const found = bytes.subarray(done, done + expected.length)
        if (!expected.equals(found))
          expectSameBytes(Buffer.from(found), expected, `${what}, from ${total} on`)
        done += expected.length
        total += expected.length
      }
    },
    bytes: (): number => total,
  }
}

const startCountingEcho = (scope: Scope, arrivedUp: Map<number, Arrivals>): Promise<TestServer> =>
  startServer(scope, (socket: Socket) => {
    let arrivals: Arrivals | undefined
    socket.on('data', (chunk) => {
      arrivals ??= arrivedUp.get(chunk.readUInt32LE(0))
      arrivals?.add(chunk.length)
    })
    socket.pipe(socket)
  })

describeWith(['tshark'], 'a recording gateway that is killed in the middle of traffic', () => {
  const scope = blockScope()

  it.each(shareOf(ROUNDS, ['linux-2', 'portable']))(
    'after $delayMs ms of traffic $name with sync $sync leaves a file that repair makes whole, and nothing of it is lost',
    { retry: 0, timeout: 60_000 },
    async ({ delayMs, sync, ...pace }) => {
      const ends = testScope()
      const arrivedUp = new Map<number, Arrivals>()
      const echo = await startCountingEcho(scope, arrivedUp)
      const gateway = await startRecorder(ends, echo.port, { args: ['--sync', sync] })
      const traffic = await Promise.all(
        QUESTIONS.map((question) => startTraffic(ends, gateway, arrivedUp, question, pace)),
      )
      await eventually('the first bytes to be back', () =>
        traffic.every(({ down }) => down.by(Date.now()) > 0),
      )
      // Not a wait for something to happen: the moment of the kill is what the rounds differ in.
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      const killedAt = Date.now()
      gateway.daemon.child.kill('SIGKILL')
      await gateway.daemon.exited
      await echo.close()

      const repaired = await tidegate(['verify', '--repair', gateway.file])
      expect(repaired.code, repaired.stderr).toBe(0)
      const again = await tidegate(['verify', gateway.file])
      expect(again.code, again.stderr).toBe(0)

      const listed = await listConnections(gateway.file)
      const settled = killedAt - STORED_WITHIN_MS
      const clients = new Map<number, number>()
      for (const [n, { down, localPort }] of traffic.entries()) {
        const found = listed.find(({ client }) => client.endsWith(`:${localPort}`))
        if (found === undefined) expect(down.by(settled), `connection ${n} is missing`).toBe(0)
        else clients.set(found.connection, n)
      }
      const inspected = new Map([...clients].map(([connection, n]) => [connection, checked(n, 'inspect')]))
      const followed = new Map([...clients].map(([connection, n]) => [connection, checked(n, 'tshark')]))
      await Promise.all(
        [...inspected].flatMap(([connection, streams]) =>
          DIRECTIONS.map((direction) =>
            rawStreamTo(gateway.file, connection, direction, streams[direction].push),
          ),
        ),
      )
      // This reads the whole file, and fails if tshark does or has anything to complain about.
      const odd = await readWithTshark(gateway.file, {
        connections: [...clients.keys()],
        sink: {
          begin: () => {},
          push: (connection, direction, bytes) => followed.get(connection)![direction].push(bytes),
        },
      })
      expect(odd).toBe('')
      for (const [connection, n] of clients)
        for (const [direction, arrivals] of [
          ['upstream', traffic[n]!.up],
          ['downstream', traffic[n]!.down],
        ] as const) {
          const what = `${direction} of connection ${connection}`
          const stored = inspected.get(connection)![direction].bytes()
          expect(followed.get(connection)![direction].bytes(), `${what} in tshark`).toBe(stored)
          expect(stored, `${what} stored`).toBeGreaterThanOrEqual(arrivals.by(settled))
        }
    },
  )
})

const DIRECTIONS = ['upstream', 'downstream'] as const

const checked = (client: number, by: string) => ({
  upstream: repeating(QUESTIONS[client]!, `upstream of client ${client} in ${by}`),
  downstream: repeating(QUESTIONS[client]!, `downstream of client ${client} in ${by}`),
})

describeWith(['tshark'], 'a gateway that starts again on a recording that was cut', () => {
  it('repairs its end, keeps what was there and goes on behind it', {
    retry: 0,
    timeout: 60_000,
  }, async () => {
    const ends = testScope()
    const messages = [payload(30, 300_000), payload(31, 400_000), payload(32, 500_000)]
    const [whole, cut, added] = messages
    const echo = await startServer(ends, (socket) => socket.pipe(socket))
    const before = await startRecorder(ends, echo.port)
    const { file } = before
    await exchange(await dial(ends, before.port), whole!)
    await before.closed(1)
    await exchange(await dial(ends, before.port), cut!)
    await before.closed(2)
    expect(await before.finish()).toBe(0)
    // In the middle of the last block, which is the second connection's close.
    truncateSync(file, statSync(file).size - 5)
    expect((await tidegate(['verify', file])).code).toBe(1)

    const after = await startRecorder(ends, echo.port, { file })
    await exchange(await dial(ends, after.port), added!)
    await after.closed(1)
    expect(await after.finish()).toBe(0)

    const streams = await expectSound(file, [1, 2, 3])
    const reasons = (await listConnections(file)).map(({ reason }) => reason)
    // Planes write in turns: the last block is that of either connection when they had different ones.
    expect(new Set(reasons.slice(0, 2))).toEqual(new Set(['client_fin', null]))
    expect(reasons[2]).toBe('client_fin')
    for (const message of messages) {
      const what = `the message of ${message.length} bytes`
      const found = [...streams.values()].find(({ upstream }) => upstream.length === message.length)
      expect(found, what).toBeDefined()
      for (const direction of DIRECTIONS) expectSameBytes(found![direction], message, `${what}, ${direction}`)
    }
  })
})

describeWith(['tshark'], 'a recording without a client', () => {
  it.each<['SIGTERM' | 'SIGKILL']>([['SIGTERM'], ['SIGKILL']])(
    'is whole after %s',
    { retry: 0 },
    async (signal) => {
      const gateway = await startRecorder(testScope(), await freePort())
      await eventually('the file to have its beginning', () => statSync(gateway.file).size > 0)
      gateway.daemon.child.kill(signal)
      await gateway.daemon.exited
      await expectSound(gateway.file)
      expect(await listConnections(gateway.file)).toEqual([])
    },
  )
})
