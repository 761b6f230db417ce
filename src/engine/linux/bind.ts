/**
 * Makes sockets that listen. The kernel queues connections from then on, whoever accepts them, and however many: every
 * thread that does has a descriptor of its own for the one socket.
 */

import { lstatSync, unlinkSync } from 'node:fs'
import type { Address, UnixAddress } from '../../core/address.js'
import { errnoOf, TidegateError } from '../../errors.js'
import type { ListenSpec } from '../../ports/engine.js'
import { listenError } from '../shared/errors.js'
import { DEFAULT_BACKLOG, makeRoom } from '../shared/listening.js'
import { literalAddress, resolveName, tcpAddressOf } from './addresses.js'
import {
  AF_INET6,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOL_SOCKET,
} from './ffi/abi.js'
import { failed, type ListenFd } from './ffi/descriptors.js'
import type { SocketAddress } from './ffi/layout.js'
import type { Reactor } from './reactor.js'
import { setTcpOptions } from './sockets.js'
import { systemError } from './system-error.js'

/** undefined: there is none, or no more. */
const inodeOf = (address: Address): number | undefined =>
  address.kind === 'unix' ? lstatSync(address.path, { throwIfNoEntry: false })?.ino : undefined

/** A socket that listens, and its path if it is a unix socket. */
export class Bound {
  readonly fd: ListenFd
  readonly address: Address
  readonly #reactor: Reactor
  readonly #inode: number | undefined

  constructor(reactor: Reactor, fd: ListenFd, address: Address) {
    this.#reactor = reactor
    this.fd = fd
    this.address = address
    this.#inode = inodeOf(address)
  }

  /** Once. Who waits in its queue is reset, also when another thread still has a descriptor of it. */
  close(): void {
    this.#removePath()
    this.#reactor.libc.endListening(this.fd)
    this.#reactor.close(this.fd)
  }

  /** Unless something else is there by now. */
  #removePath(): void {
    if (this.address.kind !== 'unix' || this.#inode === undefined) return
    try {
      if (inodeOf(this.address) === this.#inode) unlinkSync(this.address.path)
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
    setTcpOptions(libc, fd, at, spec)
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
export const bind = async (reactor: Reactor, spec: ListenSpec): Promise<Bound> => {
  const backlog = spec.backlog ?? DEFAULT_BACKLOG
  const { address } = spec
  try {
    const fd =
      address.kind === 'unix'
        ? await bindUnix(reactor, spec, address, backlog)
        : await bindTcp(reactor, spec, backlog)
    return new Bound(reactor, fd, boundAddress(reactor, fd, address))
  } catch (thrown) {
    throw thrown instanceof TidegateError ? thrown : listenError(address, thrown)
  }
}
