/**
 * What a child prints, as lines for the log: bounded in rate, so that a flood drowns nobody, with the last lines kept for
 * reports.
 */

import type { Readable } from 'node:stream'
import { LineLimit } from './line-limit.js'
import { Lines } from './lines.js'

const TAIL_LINES = 20
/** Of a line in the tail. */
const TAIL_CHARACTERS = 500

export type Stream = 'stdout' | 'stderr'

export interface OutputHost {
  output(line: string, stream: Stream): void
  /** Each line, those that are left out included. False: none has to be shown any more. */
  seen?(line: string): boolean
}

export class OutputLog {
  readonly #host: OutputHost
  readonly #tail: string[] = []
  #isWatched: boolean
  readonly #limit: LineLimit

  constructor(host: OutputHost) {
    this.#host = host
    this.#isWatched = host.seen !== undefined
    this.#limit = new LineLimit((line) => host.output(line, 'stderr'))
  }

  /** Oldest first. */
  get tail(): readonly string[] {
    return [...this.#tail]
  }

  /** Reads it to its end. */
  read(readable: Readable, stream: Stream): void {
    const lines = new Lines((line) => this.#line(line, stream))
    readable.on('data', (chunk: Buffer) => {
      // A flood is read as fast as it comes, so that the child never waits, but no string is made of what nobody will see.
      if (this.#isWatched || !this.#limit.isFull) lines.add(chunk)
      else this.#limit.leaveOut(lines.addLast(chunk, TAIL_LINES))
    })
    readable.on('close', () => lines.end())
    readable.on('error', () => {})
  }

  /** Nothing comes any more: what was left out is told now. */
  close(): void {
    this.#limit.close()
  }

  #line(line: string, stream: Stream): void {
    this.#tail.push(line.slice(0, TAIL_CHARACTERS))
    if (this.#tail.length > TAIL_LINES) this.#tail.shift()
    if (this.#isWatched) this.#isWatched = this.#host.seen?.(line) ?? false
    if (this.#limit.take()) this.#host.output(line, stream)
  }
}
