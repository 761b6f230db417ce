/** One end of a connection of the soak: plays its side of the plan, and says what it saw. */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { errnoOf } from '../../src/errors.js'
import { type Ending, PATTERN, type Plan, type SidePlan, type Stall } from './plan.js'

export type Role = 'client' | 'server'

/** What one side saw of the other. */
export interface Seen {
  readonly bytes: number
  /** Where its bytes were not those that were sent; null when all were. */
  readonly wrongAt: number | null
  /** `own`: it was the one who broke the connection. */
  readonly end: 'fin' | 'reset' | 'own' | 'nothing'
}

/** A connection, as both its ends know it. */
export interface Course {
  readonly plan: Plan
  /** Resolves when everything has arrived both ways. */
  readonly allArrived: Promise<void>
  arrived(): void
}

export const courseOf = (plan: Plan): Course => {
  let missing = 2
  let resolve = (): void => {}
  const allArrived = new Promise<void>((done) => {
    resolve = done
  })
  return {
    plan,
    allArrived,
    arrived: () => {
      if (--missing === 0) resolve()
    },
  }
}

const other = (role: Role): Role => (role === 'client' ? 'server' : 'client')

const isBy = (role: Role, ending: Ending, how: 'fin' | 'reset' | 'cut'): boolean =>
  ending === `${role}_${how}`

export class Peer {
  /** Resolves when the socket is closed. */
  readonly seen: Promise<Seen>
  readonly #socket: Socket
  readonly #course: Course
  readonly #role: Role
  readonly #expected: SidePlan
  readonly #stalls: Stall[]
  #bytes = 0
  #wrongAt: number | null = null
  #end: Seen['end'] = 'nothing'

  constructor(socket: Socket, course: Course, role: Role) {
    this.#socket = socket
    this.#course = course
    this.#role = role
    this.#expected = course.plan[other(role)]
    this.#stalls = [...course.plan[role].stalls]
    this.seen = new Promise((resolve) =>
      socket.once('close', () => resolve({ bytes: this.#bytes, wrongAt: this.#wrongAt, end: this.#end })),
    )
    socket.on('error', (error) => this.#broke(errnoOf(error)))
    socket.on('end', () => {
      if (this.#end !== 'nothing') return
      this.#end = 'fin'
      // Node takes a reset that comes right behind bytes for an end. Only a write then tells one from the other.
      if (!course.plan.ending.endsWith('_fin'))
        socket.write('?', (error) => {
          if (error) this.#broke(errnoOf(error))
          socket.destroy()
        })
    })
  }

  /** `chunk`: what has been read of the stream before. */
  play(chunk: Buffer | null): void {
    if (chunk !== null) this.#take(chunk)
    this.#socket.on('data', (next) => this.#take(next))
    void this.#send()
  }

  #broke(errno: string | undefined): void {
    if (this.#end === 'own') return
    // A write into a connection that was reset is the first to hear of it, and calls it a broken pipe.
    this.#end = errno === 'ECONNRESET' || errno === 'EPIPE' ? 'reset' : 'nothing'
  }

  #take(chunk: Buffer): void {
    this.#check(chunk)
    const { plan } = this.#course
    if (this.#bytes === this.#expected.bytes) this.#course.arrived()
    if (isBy(this.#role, plan.ending, 'cut') && this.#bytes >= plan.cutAt) this.#reset()
    const stall = this.#stalls[0]
    if (stall === undefined || this.#bytes < stall.at) return
    this.#stalls.shift()
    this.#socket.pause()
    setTimeout(() => this.#socket.resume(), stall.ms)
  }

  #check(chunk: Buffer): void {
    for (let done = 0; done < chunk.length; ) {
      const from = (this.#expected.offset + this.#bytes) % PATTERN.length
      const length = Math.min(chunk.length - done, PATTERN.length - from)
      if (chunk.compare(PATTERN, from, from + length, done, done + length) !== 0)
        this.#wrongAt ??= this.#bytes
      done += length
      this.#bytes += length
    }
    if (this.#bytes > this.#expected.bytes) this.#wrongAt ??= this.#expected.bytes
  }

  #reset(): void {
    this.#end = 'own'
    this.#socket.resetAndDestroy()
  }

  async #send(): Promise<void> {
    const { plan, allArrived } = this.#course
    const { parts } = plan[this.#role]
    const { ending } = plan
    const position = await this.#sendPart(parts[0], 0)
    if (isBy(other(this.#role), ending, 'fin')) await this.#untilEnd()
    await this.#sendPart(parts[1], position)
    if (this.#socket.destroyed) return
    if (isBy(this.#role, ending, 'reset')) {
      await allArrived
      this.#reset()
    } else if (ending.endsWith('_fin')) this.#socket.end()
  }

  async #untilEnd(): Promise<void> {
    if (this.#end === 'nothing' && !this.#socket.destroyed)
      await Promise.race([once(this.#socket, 'end'), once(this.#socket, 'close')]).catch(() => {})
  }

  /** Resolves with where the stream has got to. */
  async #sendPart(writes: readonly number[], from: number): Promise<number> {
    const { offset, hesitation } = this.#course.plan[this.#role]
    let at = from
    for (const [n, size] of writes.entries()) {
      for (let left = size; left > 0 && !this.#socket.destroyed; ) {
        const start = (offset + at) % PATTERN.length
        const piece = PATTERN.subarray(start, start + left)
        const goesOn = this.#socket.write(piece)
        at += piece.length
        left -= piece.length
        if (!goesOn) await this.#untilDrained()
      }
      // As a sequence of its own, so that it can be repeated: the golden ratio spreads evenly.
      if ((n * 0.618) % 1 < hesitation) await new Promise((resolve) => setImmediate(resolve))
    }
    return at
  }

  #untilDrained(): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done).off('close', done)
        resolve()
      }
      this.#socket.on('drain', done).on('close', done)
    })
  }
}
