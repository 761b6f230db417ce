import { connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { median } from '../../support/figures.js'
import { expectIdling } from '../../support/idling.js'
import { descriptorsOf } from '../../support/proc.js'
import { expectVerified, listConnections } from '../../support/recording.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { dial, exchange, LOOPBACK, startServer } from '../../support/sockets.js'
import { startRecorder } from '../../support/tidegate.js'
import { describeWith, toolPath } from '../../support/tools.js'

const DESCRIPTORS = 256
const CLIENTS = 2000

/** Each connection takes two descriptors; Node, the workers and the recording take some, and some are kept in reserve. */
const LEAST_SERVED = 60

/** An eighth is kept for whatever else has to be opened; those who accept at the same time may each take a pair of it. */
const MOST_OPEN = DESCRIPTORS - DESCRIPTORS / 8 + 2 * (SETTING.workers + 1)

/** By the portable engine, a sixteenth of the descriptors that are left for connections. */
const MOST_HELD = DESCRIPTORS / 16

/** Clients that leave a full gateway one after the other. */
const LEAVERS = 20

/** It is full when nobody new has been served for this long. */
const STILL_MS = 300

/** From when the others have left; and how often that is tried, since the machine has hiccups. */
const FULL_SERVICE_MS = 1000
const TRIES = 3

/** Twenty times over, on a machine of any speed. */
const ALL_SERVED_MS = 40_000

/** Clients that say who they are, and are served when they hear it back. */
class Crowd {
  readonly served: Socket[] = []
  turnedAway = 0
  #lastServedAt = Date.now()
  #left = 0

  constructor(scope: Scope, port: number) {
    const sockets = Array.from({ length: CLIENTS }, (_, n) => this.#join(port, `client ${n}`))
    scope.defer(() => {
      for (const socket of sockets) socket.destroy()
    })
  }

  hasFilled(): boolean {
    return this.served.length >= LEAST_SERVED && Date.now() - this.#lastServedAt > STILL_MS
  }

  /** Those who are served leave. */
  leave(): void {
    while (this.#left < this.served.length) this.leaveOne()
  }

  leaveOne(): void {
    this.served[this.#left++]?.end()
  }

  #join(port: number, name: string): Socket {
    const socket = connect({ port, host: LOOPBACK })
    let heard = ''
    socket.write(name)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      heard += chunk
      if (heard !== name) return
      this.#lastServedAt = Date.now()
      this.served.push(socket)
    })
    socket.once('close', () => {
      if (heard !== name) this.turnedAway++
    })
    return socket
  }
}

const start = async () => {
  const ends = testScope()
  const echo = await startServer(ends, (socket) => socket.pipe(socket))
  const launcher = [toolPath('prlimit'), `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`]
  const gateway = await startRecorder(ends, echo.port, { launcher })
  const crowd = new Crowd(ends, gateway.port)
  await eventually('the gateway to be full', () => crowd.hasFilled())
  return { ends, gateway, crowd }
}

const isPortable = SETTING.engine === 'portable'

describeWith(
  ['prlimit'],
  `${CLIENTS} clients of a recording gateway that may open ${DESCRIPTORS} descriptors`,
  () => {
    it.skipIf(isPortable)(
      'are all served, as many at a time as there is room for; the others wait in the backlog (linux engine)',
      async () => {
        const { gateway, crowd } = await start()
        await expectIdling(gateway.daemon.pid, 'while it is full')
        const early = crowd.served.length
        for (let n = 1; n <= LEAVERS; n++) {
          crowd.leaveOne()
          await gateway.closed(n)
        }
        await eventually('others in their places', () => crowd.served.length >= early + LEAVERS / 2)
        await eventually('it to be full again', () => crowd.hasFilled())
        expect(descriptorsOf(gateway.daemon.pid)).toBeLessThanOrEqual(MOST_OPEN)
        // A few more or less fit in, as it happens.
        const full = Math.floor(0.9 * early)
        const delays: number[] = []
        for (let n = 0; n < TRIES; n++) {
          const [before, leftAt] = [crowd.served.length, performance.now()]
          crowd.leave()
          await eventually('as many others to be served', () => crowd.served.length >= before + full)
          delays.push(performance.now() - leftAt)
        }
        expect(median(delays)).toBeLessThan(FULL_SERVICE_MS)
        await eventually(
          'all of them to be served',
          () => {
            crowd.leave()
            return crowd.served.length === CLIENTS
          },
          ALL_SERVED_MS,
        )
        expect(crowd.turnedAway).toBe(0)
        crowd.leave()
        for (const { reason } of await gateway.closed(CLIENTS)) expect(reason).toBe('client_fin')
        expect(await gateway.finish()).toBe(0)
        expect(JSON.stringify(gateway.log)).not.toContain('EMFILE')
        expect(gateway.noise).toEqual([])
        await expectVerified(gateway.file)
        const recorded = await listConnections(gateway.file)
        expect(recorded).toHaveLength(CLIENTS)
        for (const { bytes } of recorded) expect(bytes.upstream).toBeGreaterThanOrEqual('client 0'.length)
      },
      90_000,
    )

    // node:net cannot leave them where they are: a few are held, accepted, the others reset.
    it.runIf(isPortable)(
      'are served or turned away, and others are served once they have left (portable engine)',
      async () => {
        const { ends, gateway, crowd } = await start()
        const held = (): number => CLIENTS - crowd.served.length - crowd.turnedAway
        await eventually('the rest to be turned away', () => held() > 0 && held() < MOST_HELD)
        await expectIdling(gateway.daemon.pid, 'while it is full')
        const atOnce = crowd.served.length
        await eventually('those held to be served', () => {
          crowd.leave()
          return held() === 0
        })
        crowd.leave()
        await eventually('as many others to be served', async () => {
          const others = Array.from({ length: atOnce }, async () =>
            exchange(await dial(ends, gateway.port), Buffer.from('?'), FULL_SERVICE_MS),
          )
          const replies = await Promise.allSettled(others)
          return replies.every((reply) => reply.status === 'fulfilled' && String(reply.value) === '?')
        })
        expect(await gateway.finish()).toBe(0)
        expect(JSON.stringify(gateway.log)).not.toContain('EMFILE')
        expect(gateway.noise).toEqual([])
        await expectVerified(gateway.file)
      },
      90_000,
    )
  },
)
