/** Pipes for splice. Making one costs three system calls, so empty ones are kept, up to a few. */

import type { Pipe } from './ffi/descriptors.js'
import type { Libc } from './ffi/libc.js'
import type { Supply } from './listener.js'

/** A pipe is held only while bytes are in it or on their way: this many directions at once need no new one. */
const SPARE_PIPES = 32

const DESCRIPTORS_PER_PIPE = 2

/**
 * Half of what an unprivileged user may ask for by default (fs.pipe-max-size): larger moves no cheaper, and this much
 * waits in the kernel per direction when a reader stalls. Pages are taken only when they are used.
 */
export const PIPE_BYTES = 512 * 1024

export class PipePool {
  readonly #libc: Libc
  readonly #supply: Supply
  readonly #spare: Pipe[] = []
  #isClosed = false

  constructor(libc: Libc, supply: Supply) {
    this.#libc = libc
    this.#supply = supply
  }

  /** null when descriptors are short: bytes can be copied, too, but a client without an upstream gets none. */
  take(): Pipe | null {
    const spare = this.#spare.pop()
    if (spare !== undefined) return spare
    if (!this.#supply.claim(DESCRIPTORS_PER_PIPE)) return null
    const pipe = this.#libc.pipe()
    if (typeof pipe !== 'number') this.#supply.saw(pipe.entry)
    this.#supply.unclaim(DESCRIPTORS_PER_PIPE)
    if (typeof pipe === 'number') return null
    // Refused beyond the user's share of pipe memory (pipe(7)): then it is a small one, which does as well.
    this.#libc.growPipe(pipe.entry, PIPE_BYTES)
    return pipe
  }

  /** `pipe` must be empty: what is left in it would reach somebody else. */
  give(pipe: Pipe): void {
    if (this.#isClosed || this.#spare.length >= SPARE_PIPES) this.close(pipe)
    else this.#spare.push(pipe)
  }

  close(pipe: Pipe): void {
    this.#libc.close(pipe.exit)
    this.#libc.close(pipe.entry)
  }

  closeSpare(): void {
    for (const pipe of this.#spare.splice(0)) this.close(pipe)
  }

  closeAll(): void {
    this.#isClosed = true
    this.closeSpare()
  }
}
