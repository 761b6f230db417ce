/** Plays plans from a client's end to a server's, several at a time, through whatever listens on a port. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type Scope, within } from '../support/scope.js'
import { LOOPBACK, startServer, type TestServer } from '../support/sockets.js'
import { type Course, courseOf, Peer, type Seen } from './peer.js'
import type { Plan } from './plan.js'

/** What both ends saw. */
export interface Outcome {
  readonly client: Seen
  readonly server: Seen
}

/** A client first says which connection it is. */
const NUMBER_BYTES = 4

const AT_ONCE = 24

/** Of one connection; a busy machine takes seconds for the largest. */
const DEADLINE_MS = 60_000

const readNumber = async (socket: Socket): Promise<number> => {
  for (;;) {
    const number: Buffer | null = socket.read(NUMBER_BYTES)
    if (number !== null) return number.readUInt32LE(0)
    await once(socket, 'readable')
  }
}

export class Stage {
  readonly #courses = new Map<number, { readonly course: Course; readonly onServer: (peer: Peer) => void }>()
  #last = 0

  /** The servers' side; gateways have it as their upstream. */
  async start(scope: Scope): Promise<TestServer> {
    return startServer(scope, (socket) => {
      readNumber(socket).then(
        (number) => {
          const entry = this.#courses.get(number)
          if (entry === undefined) return void socket.destroy()
          const peer = new Peer(socket, entry.course, 'server')
          entry.onServer(peer)
          peer.play(socket.read() as Buffer | null)
        },
        () => socket.destroy(),
      )
    })
  }

  /** The outcomes, in the order of the plans. */
  async play(plans: readonly Plan[], port: number): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    let next = 0
    const inTurn = async (): Promise<void> => {
      while (next < plans.length) {
        const n = next++
        const plan = plans[n]
        if (plan !== undefined) outcomes[n] = await this.#playOne(plan, port)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, inTurn))
    return outcomes
  }

  async #playOne(plan: Plan, port: number): Promise<Outcome> {
    const number = ++this.#last
    const course = courseOf(plan)
    const server = new Promise<Peer>((resolve) => this.#courses.set(number, { course, onServer: resolve }))
    const socket = connect({ port, host: LOOPBACK, allowHalfOpen: true, noDelay: true })
    const client = new Peer(socket, course, 'client')
    const header = Buffer.alloc(NUMBER_BYTES)
    header.writeUInt32LE(number)
    socket.write(header)
    client.play(null)
    const both = Promise.all([client.seen, server.then(({ seen }) => seen)])
    try {
      const [ofServer, ofClient] = await within(
        DEADLINE_MS,
        `connection ${plan.seed} (${plan.ending}) to end`,
        both,
      )
      return { client: ofServer, server: ofClient }
    } finally {
      socket.destroy()
      this.#courses.delete(number)
    }
  }
}
