/**
 * One listening socket, level-triggered: what a turn leaves is told again in the next. Paused, it is out of the epoll set
 * and connections wait in the kernel's backlog. Without a descriptor to accept with it pauses by itself, until one
 * is closed here or a while has passed.
 */

import { lstatSync, unlinkSync } from 'node:fs'
import type { Address, UnixAddress } from '../../core/address.js'
import { errnoOf, TidegateError } from '../../errors.js'
import type { Listening, ListenSpec } from '../../ports/engine.js'
import { listenError } from '../shared/errors.js'
import { DEFAULT_BACKLOG, makeRoom } from '../shared/listening.js'
import { literalAddress, resolveName, tcpAddressOf } from './addresses.js'
import {
  AF_INET6,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOL_SOCKET,
} from './ffi/abi.js'
import { failed, type ListenFd, type SocketFd } from './ffi/descriptors.js'
import type { SocketAddress } from './ffi/layout.js'
import type { Reactor, Task, Watched } from './reactor.js'
import { setTcpOptions } from './sockets.js'
import { systemError } from './system-error.js'
import { Timer } from './timers.js'

/** One listener's share of a turn; the rest waits in the kernel while the accepted ones are served. */
const ACCEPTS_PER_TURN = 64

/** Descriptors may be freed by others than this engine, who do not tell. */
const RETRY_WITHOUT_DESCRIPTOR_MS = 100

const OUT_OF_RESOURCES: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM])

/** Takes an accepted socket; the client's address is where `Libc.peer` says. */
export type OnSocket = (fd: SocketFd, listeningAt: Address) => void

export class LinuxListening implements Listening, Watched, Task {
  readonly address: Address
  isQueued = false
  readonly #reactor: Reactor
  readonly #fd: ListenFd
  readonly #inode: number | null
  readonly #onSocket: OnSocket
  readonly #onClosed: (listening: LinuxListening) => void
  readonly #retry = (): void => this.#reactor.enqueue(this)
  readonly #timer = new Timer(this.#retry)
  #state: 'accepting' | 'starving' | 'paused' | 'closed' = 'accepting'

  constructor(
    reactor: Reactor,
    fd: ListenFd,
    address: Address,
    onSocket: OnSocket,
    onClosed: (listening: LinuxListening) => void,
  ) {
    this.#reactor = reactor
    this.#fd = fd
    this.address = address
    this.#onSocket = onSocket
    this.#onClosed = onClosed
    this.#inode = address.kind === 'unix' ? lstatSync(address.path).ino : null
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
      if (this.#state === 'starving') this.#leaveStarving()
      this.#state = 'closed'
      this.#removePath()
      this.#reactor.close(this.#fd)
      this.#onClosed(this)
    }
    return Promise.resolve()
  }

  ready(): void {
    for (let i = 0; i < ACCEPTS_PER_TURN && this.#state === 'accepting'; i++) {
      const fd = this.#reactor.libc.accept(this.#fd)
      if (!failed(fd)) this.#onSocket(fd, this.address)
      else if (OUT_OF_RESOURCES.has(fd)) this.#starve()
      // Anything else is the end of one connection that was waiting (accept(2)): the next goes on.
      else if (fd === EAGAIN) return
    }
  }

  /** Tries again after having starved. */
  run(): void {
    if (this.#state !== 'starving') return
    this.#leaveStarving()
    this.#acceptAgain()
  }

  #starve(): void {
    this.#reactor.unwatch(this.#fd)
    this.#state = 'starving'
    this.#reactor.whenDescriptorsAreFree(this.#retry)
    this.#reactor.timers.set(this.#timer, performance.now() + RETRY_WITHOUT_DESCRIPTOR_MS)
  }

  #leaveStarving(): void {
    this.#reactor.timers.clear(this.#timer)
    this.#reactor.forgetRetry(this.#retry)
  }

  #acceptAgain(): void {
    if (this.#reactor.watch(this.#fd, this, EPOLLIN | EPOLLEXCLUSIVE) < 0) this.#starve()
    else this.#state = 'accepting'
  }

  /** Unless something else is there by now. */
  #removePath(): void {
    if (this.address.kind !== 'unix') return
    try {
      if (lstatSync(this.address.path).ino === this.#inode) unlinkSync(this.address.path)
    } catch {
      // Removed by somebody else: nothing is left to do.
    }
  }
}

const bindOnce = (reactor: Reactor, spec: ListenSpec, at: SocketAddress, backlog: number): ListenFd => {
  const { libc } = reactor
  const fd = libc.socket(at.family)
  if (failed(fd)) throw systemError('socket', fd)
  const fail = (call: string, result: number): never => {
    libc.close(fd)
    throw systemError(call, result)
  }
  if (spec.address.kind === 'tcp') {
    libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (at.family === AF_INET6) libc.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, spec.ipv6Only === true ? 1 : 0)
    setTcpOptions(libc, fd, spec)
  }
  const bound = libc.bind(fd, at)
  if (bound < 0) return fail('bind', bound)
  const listening = libc.listen(fd, backlog)
  return failed(listening) ? fail('listen', listening) : listening
}

/** A machine without IPv6 says so in one of these ways. */
const isWithoutIpv6 = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  'errno' in thrown &&
  (thrown.errno === EAFNOSUPPORT || thrown.errno === EADDRNOTAVAIL)

const bindTcp = async (reactor: Reactor, spec: ListenSpec, backlog: number): Promise<ListenFd> => {
  const { address } = spec
  if (address.kind !== 'tcp' || address.host !== '') {
    const at = literalAddress(address)
    const [first] =
      at === null && address.kind === 'tcp' ? await resolveName(address.host, address.port) : [at]
    if (first === undefined || first === null) throw new Error('the name has no address')
    return bindOnce(reactor, spec, first, backlog)
  }
  const everywhere = (host: string): SocketAddress | null => literalAddress({ ...address, host })
  const [six, four] = [everywhere('::'), everywhere('0.0.0.0')]
  if (six === null || four === null) throw new Error('unreachable: both are addresses')
  try {
    return bindOnce(reactor, spec, six, backlog)
  } catch (thrown) {
    if (!isWithoutIpv6(thrown)) throw thrown
    return bindOnce(reactor, spec, four, backlog)
  }
}

const bindUnix = async (
  reactor: Reactor,
  spec: ListenSpec,
  address: UnixAddress,
  backlog: number,
): Promise<ListenFd> => {
  try {
    return await bindTcp(reactor, spec, backlog)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EADDRINUSE') throw thrown
    await makeRoom(address, thrown)
  }
  return bindTcp(reactor, spec, backlog)
}

const boundAddress = (reactor: Reactor, fd: ListenFd, asked: Address): Address => {
  const name = asked.kind === 'unix' ? null : reactor.libc.localName(fd)
  return name === null ? asked : tcpAddressOf(name)
}

/** @throws TidegateError as `Engine.listen`. */
export const listen = async (
  reactor: Reactor,
  spec: ListenSpec,
  onSocket: OnSocket,
  onClosed: (listening: LinuxListening) => void,
): Promise<LinuxListening> => {
  const backlog = spec.backlog ?? DEFAULT_BACKLOG
  const { address } = spec
  try {
    const fd =
      address.kind === 'unix'
        ? await bindUnix(reactor, spec, address, backlog)
        : await bindTcp(reactor, spec, backlog)
    return new LinuxListening(reactor, fd, boundAddress(reactor, fd, address), onSocket, onClosed)
  } catch (thrown) {
    throw thrown instanceof TidegateError ? thrown : listenError(address, thrown)
  }
}
