/**
 * A socket that listens for a child process to accept from. Here it is only looked at: an epoll set tells that somebody waits
 * without accepting anybody.
 */

import type { Address } from '../../core/address.js'
import type { LentListener } from '../../ports/engine.js'
import { listenError } from '../shared/errors.js'
import type { Bound } from './bind.js'
import { EPOLLIN } from './ffi/abi.js'
import { failed } from './ffi/descriptors.js'
import type { Reactor, Watched } from './reactor.js'
import { systemError } from './system-error.js'

/** A queue's usual length: more have come meanwhile, and a flood must not hold up the thread. */
const MOST_TURNED_AWAY = 4096

export class LinuxLentListener implements LentListener, Watched {
  readonly fd: number
  readonly address: Address
  readonly #reactor: Reactor
  readonly #bound: Bound
  readonly #onClosed: () => void
  #onClient: (() => void) | null = null
  #isClosed = false

  /** Owns `bound` from then on. */
  constructor(reactor: Reactor, bound: Bound, onClosed: () => void) {
    this.fd = bound.fd
    this.address = bound.address
    this.#reactor = reactor
    this.#bound = bound
    this.#onClosed = onClosed
    reactor.libc.setBlocking(bound.fd, true)
  }

  onClient(callback: (() => void) | null): void {
    if (this.#isClosed) return
    const isWatched = this.#onClient !== null
    this.#onClient = callback
    if (callback === null && isWatched) this.#reactor.unwatch(this.#bound.fd)
    if (callback === null || isWatched) return
    // The child before may have changed it for all who have the socket.
    this.#reactor.libc.setBlocking(this.#bound.fd, true)
    const watching = this.#reactor.watch(this.#bound.fd, this, EPOLLIN)
    if (watching >= 0) return
    this.#onClient = null
    throw listenError(this.address, systemError('epoll_ctl', watching))
  }

  ready(): void {
    const tell = this.#onClient
    this.onClient(null)
    tell?.()
  }

  turnAway(): number {
    if (this.#isClosed) return 0
    const { libc } = this.#reactor
    libc.setBlocking(this.#bound.fd, false)
    let turnedAway = 0
    while (turnedAway < MOST_TURNED_AWAY) {
      const fd = libc.accept(this.#bound.fd)
      if (failed(fd)) break
      libc.resetOnClose(fd)
      libc.close(fd)
      turnedAway++
    }
    libc.setBlocking(this.#bound.fd, true)
    return turnedAway
  }

  close(): void {
    if (this.#isClosed) return
    this.onClient(null)
    this.#isClosed = true
    this.#bound.close()
    this.#onClosed()
  }
}
