import { statSync, truncateSync } from 'node:fs'
import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { payload, seededRandom } from '../support/payload.js'
import {
  expectSameBytes,
  expectSound,
  listConnections,
  rawStream,
  readWithTshark,
} from '../support/recording.js'
import { blockScope, eventually, type Scope, testScope } from '../support/scope.js'
import { dial, exchange, freePort, startServer, type TestServer } from '../support/sockets.js'
import { type RecordingGateway, startRecorder, tidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'

/** What was relayed this long before the kill has to be in the file; the recorder holds nothing back for longer. */
const STORED_WITHIN_MS = 1000

const CLIENTS = 2
/** More than any round moves. */
const STREAM_BYTES = 32 * 1024 ** 2
/** Paces each client, so that 20 recordings can be checked byte by byte in reasonable time. */
const BURST_EVERY_MS = 5

const QUESTIONS = Array.from({ length: CLIENTS }, (_, n) => payload(20 + n, STREAM_BYTES))

const random = seededRandom(9)
const between = (least: number, most: number): number => Math.round(least + random() * (most - least))

/**
 * The moment of the kill, in ms of traffic, and the size of the bursts. Mostly early, where the file's beginning is
 * still being written; some late enough for bytes to have grown old, half of those with so little traffic
 * that nothing but the passing of time makes the recorder write.
 */
const ROUNDS: readonly (readonly [delayMs: number, burstBytes: number])[] = [
  ...Array.from({ length: 16 }, () => [between(5, 400), 32 * 1024] as const),
  ...Array.from({ length: 2 }, () => [between(1100, 1700), 32 * 1024] as const),
  ...Array.from({ length: 2 }, () => [between(1100, 1700), 64] as const),
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

const startTraffic = async (
  scope: Scope,
  gateway: RecordingGateway,
  arrivedUp: Map<number, Arrivals>,
  n: number,
  burstBytes: number,
): Promise<Traffic> => {
  const socket = await dial(scope, gateway.port)
  const down = new Arrivals()
  socket.on('data', (chunk) => down.add(chunk.length))
  const question = QUESTIONS[n]!
  let sent = 0
  const timer = setInterval(() => {
    if (socket.writableNeedDrain || socket.destroyed) return
    // The first 4 bytes tell the echo server whose stream it is counting.
    socket.write(question.subarray(sent, sent + burstBytes))
    sent += burstBytes
  }, BURST_EVERY_MS)
  scope.defer(() => clearInterval(timer))
  socket.once('close', () => clearInterval(timer))
  const up = new Arrivals()
  arrivedUp.set(question.readUInt32LE(0), up)
  return { up, down, localPort: socket.localPort ?? 0 }
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

  it.each(ROUNDS)(
    'after %d ms of bursts of %d bytes leaves a file that repair makes whole, and nothing of it is lost',
    async (delayMs, burstBytes) => {
      const ends = testScope()
      const arrivedUp = new Map<number, Arrivals>()
      const echo = await startCountingEcho(scope, arrivedUp)
      const gateway = await startRecorder(ends, echo.port)
      const traffic = await Promise.all(
        QUESTIONS.map((_, n) => startTraffic(ends, gateway, arrivedUp, n, burstBytes)),
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
      // This reads the whole file, and fails if tshark does or has anything to complain about.
      const { streams, odd } = await readWithTshark(
        gateway.file,
        listed.map(({ connection }) => connection),
      )
      expect(odd).toBe('')
      const settled = killedAt - STORED_WITHIN_MS
      for (const [n, { up, down, localPort }] of traffic.entries()) {
        const found = listed.find(({ client }) => client.endsWith(`:${localPort}`))
        if (found === undefined) {
          expect(down.by(settled), `connection ${n} is missing`).toBe(0)
          continue
        }
        for (const [direction, arrivals] of [
          ['upstream', up],
          ['downstream', down],
        ] as const) {
          const what = `${direction} of connection ${found.connection}`
          const stored = await rawStream(gateway.file, found.connection, direction)
          expectSameBytes(stored, QUESTIONS[n]!.subarray(0, stored.length), what)
          expectSameBytes(streams.get(found.connection)![direction], stored, `${what} in tshark`)
          expect(stored.length, `${what} stored`).toBeGreaterThanOrEqual(arrivals.by(settled))
        }
      }
    },
    60_000,
  )
})

describeWith(['tshark'], 'a gateway that starts again on a recording that was cut', () => {
  it('repairs its end, keeps what was there and goes on behind it', async () => {
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
    expect((await listConnections(file)).map(({ reason }) => reason)).toEqual([
      'client_fin',
      null,
      'client_fin',
    ])
    for (const [n, message] of messages.entries())
      for (const direction of ['upstream', 'downstream'] as const)
        expectSameBytes(streams.get(n + 1)![direction], message, `connection ${n + 1} ${direction}`)
  }, 60_000)
})

describeWith(['tshark'], 'a recording without a client', () => {
  it.each<['SIGTERM' | 'SIGKILL']>([['SIGTERM'], ['SIGKILL']])('is whole after %s', async (signal) => {
    const gateway = await startRecorder(testScope(), await freePort())
    await eventually('the file to have its beginning', () => statSync(gateway.file).size > 0)
    gateway.daemon.child.kill(signal)
    await gateway.daemon.exited
    await expectSound(gateway.file)
    expect(await listConnections(gateway.file)).toEqual([])
  })
})
