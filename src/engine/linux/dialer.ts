/**
 * Opens a connection: name, connect and time limit as one attempt with one outcome. A name's addresses are tried one
 * after the other, in the system's order; one that does not answer soon does not keep the next waiting.
 */

import type { Address } from '../../core/address.js'
import type { TidegateError } from '../../errors.js'
import type { Dial, DialDone, DialOptions } from '../../ports/engine.js'
import { dialError, dialTimeout } from '../shared/errors.js'
import { literalAddress, resolveName, tcpAddressOf } from './addresses.js'
import type { LinuxConn } from './conn.js'
import { EINPROGRESS, EPOLLERR, EPOLLHUP, ETIMEDOUT } from './ffi/abi.js'
import { failed, type SocketFd } from './ffi/descriptors.js'
import type { SocketAddress } from './ffi/layout.js'
import type { Reactor, Task, Watched } from './reactor.js'
import { ackWithFirstBytes, CONN_EVENTS, setTcpOptions } from './sockets.js'
import { systemError } from './system-error.js'
import { CallbackTimer, Timer } from './timers.js'

/** How long one of several addresses may take; as Node's autoSelectFamilyAttemptTimeout. */
const ATTEMPT_MS = 250

/** The batch that is under way, and the next: it tells what an accepted socket has. */
const BATCHES_UNTIL_TOLD = 2

/** What came of it: exactly one of the first two is called, once, unless the dial was cancelled; and the third in any case. */
export interface DialHost {
  /** A socket is open for it: the number tells how many are. */
  opened(fd: SocketFd): void
  /** It is about to be closed: another one may be opened in its place. */
  closing(): void
  /** The socket is watched, with all of `CONN_EVENTS`; `events`: what is known of it already. */
  connected(dial: LinuxDial, fd: SocketFd, events: number, remote: Address): void
  failed(dial: LinuxDial, error: TidegateError): void
  over(dial: LinuxDial): void
}

let lastId = 0

export class LinuxDial extends Timer implements Dial, Watched, Task {
  readonly id = ++lastId
  isQueued = false
  readonly address: Address
  readonly done: DialDone
  readonly #reactor: Reactor
  readonly #options: DialOptions
  readonly #host: DialHost
  /** Whom it is for. */
  readonly #client: LinuxConn | null
  /** Batches until it is known whether a client that was accepted just now has sent something. */
  #patience = BATCHES_UNTIL_TOLD
  /** One of several addresses has had its time; the dial's own deadline is the dial itself. */
  #attempt: Timer | null = null
  #fd: SocketFd | null = null
  /** The address under way. */
  #trying: SocketAddress | null = null
  #left: readonly SocketAddress[] = []
  readonly #failures: Error[] = []
  #isOver = false

  constructor(
    reactor: Reactor,
    address: Address,
    options: DialOptions,
    done: DialDone,
    host: DialHost,
    client: LinuxConn | null,
  ) {
    super()
    this.#reactor = reactor
    this.address = address
    this.done = done
    this.#options = options
    this.#host = host
    this.#client = client
  }

  start(): void {
    const { timeoutMs } = this.#options
    if (timeoutMs > 0) this.#reactor.timers.set(this, performance.now() + timeoutMs)
    try {
      const known = literalAddress(this.address)
      if (known === null) return this.#resolve()
      this.#left = [known]
      if (this.#client === null) this.#tryNext(true)
      else this.run()
    } catch (thrown) {
      this.#failLater(thrown)
    }
  }

  /** Connects, once it is known whether the client has something to send. */
  run(): void {
    if (this.#isOver) return
    const isFirstCall = this.#patience === BATCHES_UNTIL_TOLD
    if (this.#hasBytes || this.#patience === 0) return this.#tryNext(isFirstCall)
    this.#patience--
    this.#reactor.enqueue(this)
  }

  override fire(): void {
    this.#failWith(dialTimeout(this.address, this.#options.timeoutMs))
  }

  cancel(): void {
    if (this.#finish()) this.#closeSocket()
  }

  ready(events: number): void {
    const fd = this.#fd
    if (fd === null || this.#isOver) return
    const error = (events & (EPOLLERR | EPOLLHUP)) === 0 ? 0 : this.#reactor.libc.takeError(fd)
    if (error < 0) this.#attemptFailed(systemError('connect', error), false)
    else this.#succeed(fd, events)
  }

  /** Something, or an end, is to be sent as soon as there is a connection. */
  get #hasBytes(): boolean {
    return this.#client !== null && (this.#client.readable || this.#client.hasUnread)
  }

  #resolve(): void {
    const { host, port } = this.address.kind === 'tcp' ? this.address : { host: '', port: 0 }
    resolveName(host === '' ? 'localhost' : host, port).then(
      (addresses) => {
        if (this.#isOver) return
        this.#left = addresses
        this.#tryNext(false)
      },
      (thrown: unknown) => this.#failWith(dialError(this.address, thrown)),
    )
  }

  /** `isFirstCall`: `dial` has not returned yet, so nobody may be told. */
  #tryNext(isFirstCall: boolean): void {
    const [next, ...left] = this.#left
    if (next === undefined) {
      const [only] = this.#failures
      const thrown = this.#failures.length > 1 ? new AggregateError(this.#failures) : only
      if (isFirstCall) this.#failLater(thrown)
      else this.#failWith(dialError(this.address, thrown ?? new Error('the name has no address')))
      return
    }
    this.#left = left
    this.#trying = next
    const failure = this.#connect(next)
    if (failure !== null) this.#attemptFailed(failure, isFirstCall)
    else if (left.length > 0) {
      this.#attempt ??= new CallbackTimer(() => this.#attemptFailed(systemError('connect', ETIMEDOUT), false))
      this.#reactor.timers.set(this.#attempt, performance.now() + ATTEMPT_MS)
    }
  }

  #connect(to: SocketAddress): Error | null {
    const { libc } = this.#reactor
    const fd = libc.socket(to.family)
    if (failed(fd)) return systemError('socket', fd)
    this.#fd = fd
    if (this.#client !== null) this.#reactor.dialling++
    this.#host.opened(fd)
    if (this.address.kind === 'tcp') {
      setTcpOptions(libc, fd, to, this.#options)
      if (this.#hasBytes) ackWithFirstBytes(libc, fd)
    }
    const connecting = libc.connect(fd, to)
    if (connecting < 0 && connecting !== EINPROGRESS) return systemError('connect', connecting)
    const watching = this.#reactor.watch(fd, this, CONN_EVENTS)
    return watching < 0 ? systemError('epoll_ctl', watching) : null
  }

  #attemptFailed(failure: Error, isFirstCall: boolean): void {
    this.#failures.push(failure)
    this.#closeSocket()
    this.#tryNext(isFirstCall)
  }

  #succeed(fd: SocketFd, events: number): void {
    if (!this.#finish()) return
    this.#leaveSocket()
    this.#host.connected(this, fd, events, this.#remote())
  }

  /** What answered: a name has become the address behind it. */
  #remote(): Address {
    if (this.#trying === null || this.#trying === literalAddress(this.address)) return this.address
    return tcpAddressOf(this.#trying.bytes)
  }

  #failLater(thrown: unknown): void {
    process.nextTick(() => this.#failWith(dialError(this.address, thrown)))
  }

  #failWith(error: TidegateError): void {
    if (!this.#finish()) return
    this.#closeSocket()
    this.#host.failed(this, error)
  }

  #closeSocket(): void {
    const fd = this.#fd
    if (fd === null) return
    this.#leaveSocket()
    this.#host.closing()
    this.#reactor.close(fd)
  }

  #leaveSocket(): void {
    this.#fd = null
    if (this.#client !== null) this.#reactor.dialling--
  }

  /** False when it was over already. */
  #finish(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#reactor.timers.clear(this)
    if (this.#attempt !== null) this.#reactor.timers.clear(this.#attempt)
    this.#host.over(this)
    return true
  }
}
