/**
 * An upstream that ends or resets the connections a pool keeps, with nobody there and while clients come: none of them notices.
 *
 * - victim: a connection that waited in the pool before any client of the wave came. What is dialled for a client is not the
 *   pool's: its end is the upstream's answer
 * - heard: of a client that has written and has no answer yet. Nobody is killed while there is one
 *
 * Why that is honest: upstream and clients are one thread. When it kills and nobody is heard, no client's byte is anywhere, neither in
 * a kernel nor in the gateway, so nothing is lost with the connection; what is written from then on, also in the same turn, was
 * written after the kernel had told the gateway's socket. A gateway on threads of its own is caught at any moment by that. What is not shown:
 * an upstream that ends a connection in the very moment in which a request arrives. Nobody can repair that but who may ask twice.
 */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../support/payload.js'
import { eventually, type Scope, testScope } from '../../../support/scope.js'
import { LOOPBACK, readAll, startServer } from '../../../support/sockets.js'
import { start } from './start.js'

const WAYS = ['end', 'close', 'reset'] as const

type Way = (typeof WAYS)[number]

/** When it is over, the kernel has been told; where there is nothing to wait for, at once. */
const kill = (socket: Socket, way: Way): Promise<unknown> | null => {
  if (way === 'end') return once(socket.end(), 'finish')
  // What `resetAndDestroy` sets, without the FIN that it sends first.
  if (way === 'reset') Object.assign(socket, { resetAndClosing: true })
  socket.destroy()
  return null
}

const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

/** Answers each line with the line and the number of the connection. */
const startUpstream = async (scope: Scope) => {
  const byNumber = new Map<number, Socket>()
  const killed = new Set<Socket>()
  let accepted = 0
  let tooLate = 0
  const server = await startServer(scope, (socket) => {
    const number = ++accepted
    byNumber.set(number, socket)
    socket.on('data', (chunk) => {
      if (killed.has(socket)) tooLate++
      else socket.write(`${chunk.toString().trim()} ${number}\n`)
    })
    socket.on('end', () => socket.end())
  })
  return {
    server,
    kill: (socket: Socket, way: Way) => {
      killed.add(socket)
      return kill(socket, way)
    },
    /** `busy`: the numbers of those whose clients have been answered and are still there. */
    mayKill: (socket: Socket, busy: readonly number[]) =>
      !socket.destroyed && !killed.has(socket) && !busy.some((number) => byNumber.get(number) === socket),
    get killed() {
      return killed.size
    },
    /** Times that a client's bytes came by a connection that had been ended. */
    get tooLate() {
      return tooLate
    },
  }
}

class Guest {
  readonly socket: Socket
  readonly #tag: string
  #reply = ''
  hasSpoken = false
  hasLeft = false
  trouble: string | null = null

  constructor(port: number, tag: string) {
    this.#tag = tag
    this.socket = connect({ port, host: LOOPBACK, allowHalfOpen: true, noDelay: true })
    this.socket.on('data', (chunk) => {
      this.#reply += chunk.toString()
    })
    this.socket.on('error', (error) => {
      this.trouble ??= String(error)
    })
    this.socket.on('end', () => {
      if (!this.hasLeft) this.trouble ??= 'ended before it had left'
    })
    this.socket.on('close', () => {
      if (!this.isAnswered) this.trouble ??= 'closed without an answer'
    })
  }

  speak(): void {
    this.hasSpoken = true
    this.socket.write(`${this.#tag}\n`)
  }

  leave(): void {
    this.hasLeft = true
    this.socket.end()
  }

  get isHeard(): boolean {
    return this.hasSpoken && !this.isAnswered && this.trouble === null
  }

  get isAnswered(): boolean {
    return this.#reply.endsWith('\n')
  }

  /** Which connection has answered. */
  get number(): number {
    const [tag, number] = this.#reply.trim().split(' ')
    if (tag !== this.#tag) this.trouble ??= `got ${JSON.stringify(this.#reply)}`
    return Number(number)
  }
}

/** Idle connections at the beginning of each wave, on all planes. */
const IDLE = 96
/** Clients that have one, or most of them, when all are killed at once. */
const CAUGHT = 6
/** With each engine, workers or not, in each mode: six times together. */
const KILLS = 334

const PREWARM = { mode: 'prewarm', min: IDLE, max: IDLE } as const
const REUSE = { mode: 'reuse', stateless: true, quiet: '1ms', max: IDLE } as const

describe('an upstream that kills idle connections, at rest and while clients come, hundreds of times', () => {
  it.each([
    ['prewarm', PREWARM],
    ['reuse', REUSE],
  ])(
    'is noticed by no client (%s)',
    async (_, pool) => {
      const scope = testScope()
      const random = seededRandom(11)
      const below = (limit: number): number => Math.floor(random() * limit)
      const upstream = await startUpstream(scope)
      const { server } = upstream
      const { port, endpoint, records } = await start({
        endpoints: [`${LOOPBACK}:${server.port}`],
        pool,
        maxConnections: IDLE + CAUGHT,
        queueTimeout: '5s',
      })
      const state = () => endpoint(`${LOOPBACK}:${server.port}`)
      const guests: Guest[] = []
      const present = new Set<Guest>()
      const come = (): Guest => {
        const guest = new Guest(port, `guest-${guests.length}`)
        scope.defer(() => guest.socket.destroy())
        guests.push(guest)
        present.add(guest)
        return guest
      }
      const troubles = (): readonly string[] =>
        guests.flatMap(({ trouble }, n) => (trouble === null ? [] : [`guest ${n}: ${trouble}`]))
      const answered = (what: string) =>
        eventually(`${what} is answered`, () => ![...present].some(({ isHeard }) => isHeard))
      const allLeave = async (): Promise<void> => {
        for (const guest of present) if (!guest.hasSpoken) guest.speak()
        await answered('who was silent so far')
        for (const guest of present) guest.leave()
        await eventually('all have left', () => [...present].every(({ socket }) => socket.closed))
        present.clear()
        expect(troubles()).toEqual([])
      }

      /** The pool is full, or as full as clients make it. */
      const fill = async (): Promise<void> => {
        if (pool.mode === 'reuse') {
          for (let n = 0; n < IDLE; n++) come().speak()
          await allLeave()
        }
        // Spare ones that died young are dialled again after a pause that becomes twice as long each time (core/pool/backoff.ts).
        await eventually('all is at rest', () => {
          const { active, idle, resetting } = state()
          const isFull = pool.mode === 'reuse' || idle === IDLE
          return isFull && active === 0 && resetting === 0 && idle === server.sockets.size
        })
      }

      const killSome = async (victims: Set<Socket>, count: number): Promise<void> => {
        const busy = [...present].filter((guest) => guest.isAnswered).map(({ number }) => number)
        const chosen = [...victims].filter((victim) => upstream.mayKill(victim, busy)).slice(0, count)
        if (chosen.length < count) victims.clear()
        for (const victim of chosen) victims.delete(victim)
        const kills = chosen.map((victim) => upstream.kill(victim, WAYS[below(WAYS.length)] ?? 'end'))
        // Most often not even a turn goes by before somebody speaks.
        if (kills.some((underWay) => underWay !== null)) await Promise.all(kills)
      }

      let caught = 0
      for (let wave = 0; upstream.killed < KILLS; wave++) {
        await fill()
        if (wave % 2 === 0) {
          // Most of them, or all, have one that was ready: with workers one may have run out.
          const before = state().counts
          const victims = new Set(server.sockets)
          for (let n = 0; n < CAUGHT; n++) come()
          await eventually('they have connections', () => {
            const { connected, reused, spare } = state().counts
            const dialled = pool.mode === 'reuse' ? connected - before.connected : 0
            return reused + spare - before.reused - before.spare + dialled === CAUGHT
          })
          const { reused, spare } = state().counts
          caught += reused + spare - before.reused - before.spare
          await killSome(victims, IDLE / 2)
          await killSome(victims, IDLE)
          for (const guest of present) guest.speak()
          await allLeave()
          continue
        }
        const victims = new Set([...server.sockets].sort(() => random() - 0.5))
        // Nobody is there.
        await killSome(victims, 8)
        while (victims.size > 0) {
          const action = below(8)
          if (action < 2) come().speak()
          else if (action < 4) come()
          else if (action === 4) [...present].find(({ hasSpoken }) => !hasSpoken)?.speak()
          else if (action === 5) await turns(1 + below(4))
          else {
            await answered('who has spoken')
            await killSome(victims, 1 + below(5))
            if (present.size > 8) await allLeave()
          }
        }
        await allLeave()
      }

      expect(caught).toBeGreaterThan(CAUGHT)
      expect(upstream.tooLate).toBe(0)
      expect(guests.length).toBeGreaterThan(60)
      // One that is killed while it is being proven is unclean: no client's concern.
      expect(state()).toMatchObject({ state: 'up', counts: { failed: 0, refused: 0 } })
      await eventually('all have their records', () => records.length === guests.length)
      for (const record of records) expect(record).toMatchObject({ reason: 'client_fin', error: null })
      // No place was lost: as many as may are served at a time.
      for (let n = 0; n < IDLE + CAUGHT; n++) come().speak()
      await answered('as many as may')
      expect(new Set([...present].map(({ number }) => number)).size).toBe(IDLE + CAUGHT)
      await allLeave()
    },
    30_000,
  )
})

describe('the kill of these tests', () => {
  it('is a reset without a FIN where it shall be one', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => kill(socket, 'reset'))
    const socket = connect({ port: server.port, host: LOOPBACK })
    scope.defer(() => socket.destroy())
    await expect(readAll(socket)).rejects.toMatchObject({ code: 'ECONNRESET' })
  })
})
