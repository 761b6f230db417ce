/**
 * One thread's accepting from a socket that listens, which other threads may share. Level-triggered: what a turn leaves
 * is told again in the next. Paused, it is out of the epoll set and connections wait in the kernel's backlog. Without
 * descriptors to accept and serve with it pauses by itself, until some are closed here or a while has passed.
 */

import type { Address } from '../../core/address.js'
import { DESCRIPTORS_PER_CLIENT } from '../../core/budget/plan.js'
import type { Listening } from '../../ports/engine.js'
import { EAGAIN, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPOLLEXCLUSIVE, EPOLLIN } from './ffi/abi.js'
import { type AnyFd, failed, type ListenFd, type SocketFd } from './ffi/descriptors.js'
import type { Reactor, Task, Watched } from './reactor.js'
import { systemError } from './system-error.js'
import { CallbackTimer } from './timers.js'

/** One listener's share of a turn; the rest waits in the kernel while the accepted ones are served. */
const ACCEPTS_PER_TURN = 64

/** Descriptors may be freed by others than this engine, who do not tell. */
const RETRY_WITHOUT_DESCRIPTOR_MS = 100

const OUT_OF_RESOURCES: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM])

/** Takes an accepted socket; the client's address is where `Libc.peer` says. */
export type OnSocket = (fd: SocketFd, listeningAt: Address) => void

/** Whether there is anything left for others. */
export interface Supply {
  /** So many are about to be opened: they are nobody else's until `unclaim`. False: there is no room, and nothing to be taken back. */
  claim(count: number): boolean
  /** They are open, and were seen; or were not needed. */
  unclaim(count: number): void
  saw(newest: AnyFd): void
  /** Gives up those that can be done without, and asks others to. */
  release(): void
}

export class LinuxListening implements Listening, Watched, Task {
  readonly address: Address
  isQueued = false
  readonly #reactor: Reactor
  readonly #fd: ListenFd
  readonly #supply: Supply
  readonly #onSocket: OnSocket
  readonly #onClosed: (listening: LinuxListening) => void
  readonly #retry = (): void => this.#reactor.enqueue(this)
  readonly #timer = new CallbackTimer(this.#retry)
  #state: 'accepting' | 'starving' | 'paused' | 'closed' = 'accepting'

  constructor(
    reactor: Reactor,
    fd: ListenFd,
    address: Address,
    supply: Supply,
    onSocket: OnSocket,
    /** Owns the descriptor from then on. */
    onClosed: (listening: LinuxListening) => void,
  ) {
    this.#reactor = reactor
    this.#fd = fd
    this.address = address
    this.#supply = supply
    this.#onSocket = onSocket
    this.#onClosed = onClosed
  }

  /** Clients may wait for descriptors. */
  get isStarving(): boolean {
    return this.#state === 'starving'
  }

  /** @throws Error with a system code. */
  start(): void {
    const result = this.#reactor.watch(this.#fd, this, EPOLLIN | EPOLLEXCLUSIVE)
    if (result < 0) throw systemError('epoll_ctl', result)
  }

  pause(): void {
    if (this.#state === 'accepting') this.#reactor.unwatch(this.#fd)
    if (this.#state === 'starving') this.#leaveStarving()
    if (this.#state !== 'closed') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state === 'paused') this.#acceptAgain()
  }

  close(): Promise<void> {
    if (this.#state !== 'closed') {
      // Closing alone would leave it in the epoll set as long as another thread has the socket, too.
      this.pause()
      this.#state = 'closed'
      this.#onClosed(this)
    }
    return Promise.resolve()
  }

  ready(): void {
    for (let i = 0; i < ACCEPTS_PER_TURN && this.#state === 'accepting'; i++) {
      // Before it is accepted: who could not be served is better off in the backlog.
      if (!this.#supply.claim(DESCRIPTORS_PER_CLIENT)) return this.#starve()
      const fd = this.#reactor.libc.accept(this.#fd)
      if (!failed(fd)) this.#accepted(fd)
      this.#supply.unclaim(DESCRIPTORS_PER_CLIENT)
      if (!failed(fd)) continue
      if (OUT_OF_RESOURCES.has(fd)) this.#starve()
      // Who bound it has ended it: nobody comes any more.
      else if (fd === EINVAL) this.pause()
      // Anything else is the end of one connection that was waiting (accept(2)): the next goes on.
      else if (fd === EAGAIN) return
    }
  }

  /** Tries again after having starved. */
  run(): void {
    if (this.#state !== 'starving') return
    this.#leaveStarving()
    if (!this.#supply.claim(DESCRIPTORS_PER_CLIENT)) return this.#tryLater()
    this.#supply.unclaim(DESCRIPTORS_PER_CLIENT)
    this.#acceptAgain()
  }

  #accepted(fd: SocketFd): void {
    this.#supply.saw(fd)
    this.#onSocket(fd, this.address)
  }

  #starve(): void {
    this.#reactor.unwatch(this.#fd)
    this.#state = 'starving'
    this.#tryLater()
  }

  #tryLater(): void {
    this.#reactor.whenDescriptorsAreFree(this.#retry)
    this.#reactor.timers.set(this.#timer, performance.now() + RETRY_WITHOUT_DESCRIPTOR_MS)
    // What is given up at once is told at once.
    this.#supply.release()
  }

  #leaveStarving(): void {
    this.#reactor.timers.clear(this.#timer)
    this.#reactor.forgetRetry(this.#retry)
  }

  #acceptAgain(): void {
    if (this.#reactor.watch(this.#fd, this, EPOLLIN | EPOLLEXCLUSIVE) < 0) this.#starve()
    else this.#state = 'accepting'
  }
}
