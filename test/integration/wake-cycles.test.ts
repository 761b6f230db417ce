/** Clients who come and go as they like, and a service that dies now and then. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../support/payload.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { shareOf } from '../support/setting.js'
import { LOOPBACK } from '../support/sockets.js'
import { type ClosedLine, type ListeningGateway, startWake } from '../support/tidegate.js'
import { hasStopped, type NotedService, notedService } from '../support/waking.js'

const CYCLES = 50
const IDLE_MS = 60
const IS_STOPPING = /is stopped: nobody uses it/

type Outcome = 'served' | 'refused' | 'left'

class Client {
  readonly socket: Socket
  #heard = ''
  #isServed = false
  #hasLeft = false
  #port = 0

  constructor(scope: Scope, port: number) {
    const socket = connect({ port, host: LOOPBACK, noDelay: true })
    this.socket = socket
    scope.defer(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('connect', () => {
      this.#port = socket.localPort ?? 0
      socket.write('hello\n')
    })
    socket.on('data', (chunk) => {
      this.#heard += String(chunk)
      this.#isServed ||= /^pid \d+\nhello\n$/.test(this.#heard)
    })
  }

  /** As the gateway's log has it; null: it had left before it was connected. */
  get name(): string | null {
    return this.#port === 0 ? null : `${LOOPBACK}:${this.#port}`
  }

  get outcome(): Outcome {
    if (this.#isServed) return 'served'
    return this.#hasLeft ? 'left' : 'refused'
  }

  /** Resolves once it has been served or has been closed. */
  async settled(): Promise<Outcome> {
    await eventually('the client to be served or told', () => this.#isServed || this.socket.closed, 15_000)
    return this.outcome
  }

  async leave(): Promise<void> {
    this.#hasLeft = true
    if (this.socket.closed) return
    const closed = once(this.socket, 'close')
    this.socket.destroy()
    await closed
  }
}

interface Play {
  readonly gateway: ListeningGateway
  readonly service: NotedService
  readonly random: () => number
  come(): Client
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

const kill = ({ service }: Play, signal: NodeJS.Signals): void => {
  for (const pid of service.alive()) process.kill(pid, signal)
}

/** Not a wait for something to happen: that things come at any moment is what this is about. */
const aMoment = ({ random }: Play, mostMs: number): Promise<void> => pause(random() * mostMs)

/** What may happen in a cycle. Whoever is there at its end leaves. */
const ACTS: Readonly<Record<string, (play: Play) => Promise<void>>> = {
  visit: async (play) => void (await play.come().settled()),
  leaveEarly: async (play) => {
    const client = play.come()
    await aMoment(play, 120)
    await client.leave()
  },
  rush: async (play) => {
    const clients = Array.from({ length: 6 }, () => play.come())
    await Promise.all(
      clients.map(async (client, n) => {
        if (n % 2 === 0) return void (await client.settled())
        await aMoment(play, 100)
        await client.leave()
      }),
    )
  },
  fastReconnects: async (play) => {
    for (let n = 0; n < 5; n++) await play.come().leave()
    await play.come().settled()
  },
  crash: async (play) => {
    const client = play.come()
    await client.settled()
    kill(play, 'SIGKILL')
    await eventually('the client to be told', () => client.socket.closed)
  },
  endUnasked: async (play) => {
    const client = play.come()
    await client.settled()
    kill(play, 'SIGTERM')
    await eventually('the client to be told', () => client.socket.closed)
  },
  crashWhileStarting: async (play) => {
    const client = play.come()
    await aMoment(play, 100)
    kill(play, 'SIGKILL')
    await client.settled()
  },
  stop: async (play) => {
    const client = play.come()
    const stopsBefore = play.gateway.log.filter(hasStopped).length
    if ((await client.settled()) === 'refused') return
    await client.leave()
    await play.gateway.lines('it has stopped', hasStopped, stopsBefore + 1)
  },
  comeWhileItStops: async (play) => {
    const client = play.come()
    const before = play.gateway.log.filter(({ msg }) => IS_STOPPING.test(msg)).length
    if ((await client.settled()) === 'refused') return
    await client.leave()
    await play.gateway.lines('it stops', ({ msg }) => IS_STOPPING.test(msg), before + 1)
    await play.come().settled()
  },
}

const NAMES = Object.keys(ACTS)

/** Ends that are the service's doing, by death mostly: whoever is being connected to it just then sees that in one of these ways. */
const SERVICE = 'wake_failed|service_exited|dial_failed|upstream_reset|upstream_fin'
/** Why somebody may not have been served, or not to the end. */
const REASONS = {
  refused: new RegExp(`^(${SERVICE})$`),
  left: new RegExp(`^(client_fin|client_reset|${SERVICE})$`),
  served: /^(client_fin|client_reset|service_exited|upstream_reset|upstream_fin)$/,
}

describe('a service whose clients come and go, and which is killed now and then', () => {
  it(`is never two processes and never stuck, and nobody is turned away without a reason, in ${CYCLES} random cycles`, async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const gateway = await startWake(ends, service.port, service.command, ['--idle', `${IDLE_MS}ms`])
    const all: Client[] = []
    const played: string[] = []
    for (const cycle of shareOf(
      Array.from({ length: CYCLES }, (_, n) => n),
      ['linux-2', 'portable'],
    )) {
      const random = seededRandom(1000 + cycle)
      const clients: Client[] = []
      const come = (): Client => {
        const client = new Client(ends, gateway.port)
        clients.push(client)
        return client
      }
      const name = NAMES[Math.floor(random() * NAMES.length)]!
      played.push(name)
      await within(20_000, `cycle ${cycle}, ${name}`, ACTS[name]!({ gateway, service, random, come }))
      await Promise.all(clients.map((client) => client.leave()))
      expect(service.alive().length, `processes after cycle ${cycle}, ${name}`).toBeLessThanOrEqual(1)
      all.push(...clients)
    }
    // Whatever has been, it can be started, and is stopped.
    await eventually(
      'a client to be served',
      async () => {
        const last = new Client(ends, gateway.port)
        all.push(last)
        const outcome = await last.settled()
        await last.leave()
        return outcome === 'served'
      },
      30_000,
    )
    await service.allGone()
    expect(await gateway.finish()).toBe(0)

    expect(service.overlaps()).toEqual([])
    const closed = new Map(
      (gateway.log as readonly ClosedLine[])
        .filter(({ msg }) => msg === 'connection closed')
        .map((line) => [line.client, line]),
    )
    const wrong = all.flatMap((client) => {
      const { name, outcome } = client
      if (name === null) return []
      const line = closed.get(name)
      return line !== undefined && REASONS[outcome].test(line.reason)
        ? []
        : [`${name} was ${outcome}, and the log has ${line?.reason ?? 'nothing'}`]
    })
    expect(wrong, played.join(', ')).toEqual([])
    expect(all.filter(({ outcome }) => outcome === 'served').length).toBeGreaterThan(played.length / 4)
  }, 120_000)
})
