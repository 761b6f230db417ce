/**
 * A stream of the caller's as a conn: one end of a socket pair is the conn's, the other one is joined to the stream by
 * Node. Slower than a socket of its own, and as right: ends, errors and backpressure pass through.
 */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Behind } from './conn.js'
import type { SocketFd } from './ffi/descriptors.js'

/** A TCP socket of its own: not TLS on top of one. Only such a one can be reset. */
const asTcp = (stream: Duplex): Socket | null =>
  stream instanceof Socket && stream.remoteAddress !== undefined && !('encrypted' in stream) ? stream : null

export class Bridge implements Behind {
  readonly #stream: Duplex
  readonly #tcp: Socket | null
  /** Node's end of the pair. */
  readonly #inner: Socket
  readonly #onClosed: (bridge: Bridge) => void
  #isOver = false

  constructor(
    stream: Duplex,
    /** Node closes it. */
    fd: SocketFd,
    onBroken: (error: Error | null) => void,
    onClosed: (bridge: Bridge) => void,
  ) {
    this.#stream = stream
    this.#tcp = asTcp(stream)
    this.#onClosed = onClosed
    this.#inner = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true })
    const broken = (error: Error | null): void => {
      if (this.#isOver) return
      this.destroy()
      onBroken(error)
    }
    // Only while somebody stands before it: what comes after the conn has been closed concerns nobody.
    stream.on('error', broken)
    stream.on('close', () => this.#streamClosed(broken))
    this.#inner.on('error', () => broken(null))
    this.#inner.on('close', () => this.#innerClosed())
    if (stream.destroyed) process.nextTick(() => broken(stream.errored ?? null))
    else {
      stream.pipe(this.#inner)
      this.#inner.pipe(stream)
    }
  }

  get hasUnread(): boolean {
    return this.#stream.readableLength > 0 || this.#inner.writableLength > 0
  }

  get hasEnded(): boolean {
    return this.#stream.readableEnded
  }

  closed(how: 'gently' | 'now' | 'with reset'): void {
    if (how === 'gently' && !this.#stream.destroyed) return
    if (how === 'with reset' && this.#tcp !== null && !this.#tcp.destroyed) this.#tcp.resetAndDestroy()
    this.destroy()
  }

  destroy(): void {
    this.#isOver = true
    this.#stream.destroy()
    this.#inner.destroy()
  }

  /** An orderly end has been passed on as such; anything less is a break. */
  #streamClosed(broken: (error: Error | null) => void): void {
    if (!this.#stream.readableEnded || !this.#stream.writableFinished) broken(null)
  }

  #innerClosed(): void {
    this.#isOver = true
    this.#onClosed(this)
  }
}
