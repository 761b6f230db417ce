/**
 * The way of one direction through the kernel: from its source into a pipe, from the pipe to its destination, by splice.
 * A pipe is held only while something is in it.
 */

import { EMFILE } from './ffi/abi.js'
import type { Pipe, SocketFd } from './ffi/descriptors.js'
import type { Libc } from './ffi/libc.js'
import { PIPE_BYTES, type PipePool } from './pipes.js'

export class Passage {
  readonly #libc: Libc
  readonly #pipes: PipePool
  #pipe: Pipe | null = null
  #bytes = 0

  constructor(libc: Libc, pipes: PipePool) {
    this.#libc = libc
    this.#pipes = pipes
  }

  /** On the way. */
  get bytes(): number {
    return this.#bytes
  }

  /** What splice gave: bytes taken in, 0 at the source's end, a negated errno; EMFILE when there is no pipe to be had. */
  fill(source: SocketFd): number {
    this.#pipe ??= this.#pipes.take()
    if (this.#pipe === null) return EMFILE
    const got = this.#libc.splice(source, this.#pipe.entry, PIPE_BYTES)
    if (got > 0) this.#bytes += got
    return got
  }

  /** What splice gave: bytes that left, or a negated errno. */
  drain(destination: SocketFd): number {
    if (this.#pipe === null) return 0
    const sent = this.#libc.splice(this.#pipe.exit, destination, this.#bytes)
    if (sent > 0) this.#bytes -= sent
    return sent
  }

  /** What is on the way, into memory. */
  takeOut(): Uint8Array {
    const bytes = new Uint8Array(this.#bytes)
    let at = 0
    while (this.#pipe !== null && at < bytes.length) {
      const got = this.#libc.readPipe(this.#pipe.exit, bytes.subarray(at))
      if (got <= 0) break
      at += got
    }
    this.#bytes -= at
    return bytes.subarray(0, at)
  }

  /** Gives the pipe back; what is still in it is lost. */
  leave(): void {
    const pipe = this.#pipe
    if (pipe === null) return
    this.#pipe = null
    if (this.#bytes === 0) this.#pipes.give(pipe)
    else this.#pipes.close(pipe)
    this.#bytes = 0
  }
}
