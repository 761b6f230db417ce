/**
 * What a child prints, as lines for the log: bounded in rate, so that a flood drowns nobody, with the last lines kept for
 * reports.
 */

import type { Readable } from 'node:stream'
import { Lines } from './lines.js'

/** A person reads no more, and a log is not the place for a child's data. */
const LINES_PER_SECOND = 200
const SECOND_MS = 1000
const TAIL_LINES = 20
/** Of a line in the tail. */
const TAIL_CHARACTERS = 500

export type Stream = 'stdout' | 'stderr'

export interface OutputHost {
  output(line: string, stream: Stream): void
  /** Each line, those that are left out included. */
  seen?(line: string): void
}

export class OutputLog {
  readonly #host: OutputHost
  readonly #tail: string[] = []
  #inThisSecond = 0
  #leftOut = 0
  #timer: NodeJS.Timeout | null = null

  constructor(host: OutputHost) {
    this.#host = host
  }

  /** Oldest first. */
  get tail(): readonly string[] {
    return [...this.#tail]
  }

  /** Reads it to its end. */
  read(readable: Readable, stream: Stream): void {
    const lines = new Lines((line) => this.#line(line, stream))
    readable.on('data', (chunk: Buffer) => lines.add(chunk))
    readable.on('close', () => lines.end())
    readable.on('error', () => {})
  }

  /** Nothing comes any more: what was left out is told now. */
  close(): void {
    this.#newSecond()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #line(line: string, stream: Stream): void {
    this.#tail.push(line.slice(0, TAIL_CHARACTERS))
    if (this.#tail.length > TAIL_LINES) this.#tail.shift()
    this.#host.seen?.(line)
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#newSecond()
    }, SECOND_MS).unref()
    if (++this.#inThisSecond > LINES_PER_SECOND) this.#leftOut++
    else this.#host.output(line, stream)
  }

  #newSecond(): void {
    this.#inThisSecond = 0
    if (this.#leftOut === 0) return
    this.#host.output(`… ${this.#leftOut} lines left out`, 'stderr')
    this.#leftOut = 0
  }
}
