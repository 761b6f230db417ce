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

import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../support/payload.js'
import { eventually, type Scope, testScope } from '../../../support/scope.js'
import { LOOPBACK, readAll, startServer } from '../../../support/sockets.js'
import { PLANES, start } from './start.js'

const WAYS = ['end', 'close', 'reset'] as const

const kill = (socket: Socket, way: (typeof WAYS)[number]): void => {
  if (way === 'end') socket.end()
  else {
    // What `resetAndDestroy` sets, without the FIN that it sends first.
    if (way === 'reset') Object.assign(socket, { resetAndClosing: true })
    socket.destroy()
  }
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
    kill: (socket: Socket, way: (typeof WAYS)[number]) => {
      killed.add(socket)
      kill(socket, way)
    },
    numbered: (number: number) => byNumber.get(number),
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
const IDLE = 64
const WAVES = 6

const PREWARM = { mode: 'prewarm', min: IDLE, max: IDLE } as const
const REUSE = { mode: 'reuse', stateless: true, quiet: '1ms', max: IDLE } as const

describe('an upstream that kills idle connections, at rest and while clients come, hundreds of times', () => {
  it.each([
    { pool: PREWARM, mode: 'prewarm' },
    { pool: REUSE, mode: 'reuse' },
  ])('is noticed by no client of a pool that is there to $mode', async ({ pool }) => {
    const scope = testScope()
    const random = seededRandom(11)
    const below = (limit: number): number => Math.floor(random() * limit)
    const upstream = await startUpstream(scope)
    const { server } = upstream
    const { port, endpoint, records } = await start({
      endpoints: [`${LOOPBACK}:${server.port}`],
      pool,
      maxConnections: IDLE,
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
      const { size } = server.sockets
      await eventually('all is at rest', () => {
        const { active, idle, resetting } = state()
        const isFull = pool.mode === 'reuse' || idle === IDLE
        return isFull && active === 0 && resetting === 0 && idle === server.sockets.size
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify({ ...state(), size })}`)
      })
    }

    const killSome = (victims: Set<Socket>, count: number): void => {
      const busy = new Set([...present].filter((guest) => guest.isAnswered).map(({ number }) => upstream.numbered(number)))
      for (const victim of victims) {
        if (count === 0) break
        victims.delete(victim)
        if (busy.has(victim) || victim.destroyed || (pool.mode === 'prewarm' && victim.bytesRead > 0)) continue
        upstream.kill(victim, WAYS[below(WAYS.length)] ?? 'end')
        count--
      }
    }

    for (let wave = 0; wave < WAVES; wave++) {
      await fill()
      const victims = new Set([...server.sockets].sort(() => random() - 0.5))
      // Nobody is there.
      killSome(victims, wave % 2 === 0 ? 8 : 1)
      while (victims.size > 0) {
        const action = below(6)
        if (action === 0) come().speak()
        else if (action === 1) come()
        else if (action === 2) [...present].find(({ hasSpoken }) => !hasSpoken)?.speak()
        else if (action === 3) await turns(1 + below(4))
        else if (action === 4 && present.size > 8) {
          await answered('who has spoken')
          killSome(victims, 1 + below(8))
          await allLeave()
        } else {
          await answered('who has spoken')
          killSome(victims, 1 + below(8))
        }
      }
      await allLeave()
    }

    expect(upstream.killed).toBeGreaterThan(250)
    expect(upstream.tooLate).toBe(0)
    expect(guests.length).toBeGreaterThan(100)
    expect(state()).toMatchObject({ state: 'up', lastFailure: null, counts: { failed: 0, refused: 0, unclean: 0 } })
    await eventually('all have their records', () => records.length === guests.length)
    for (const record of records) expect(record).toMatchObject({ reason: 'client_fin', error: null })
    // No place was lost: as many as may are served at a time.
    for (let n = 0; n < IDLE; n++) come().speak()
    await answered('as many as may')
    expect(new Set([...present].map(({ number }) => number)).size).toBe(IDLE)
    await allLeave()
    console.log(upstream.killed, guests.length, PLANES, JSON.stringify(state()))
  }, 60_000)
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
