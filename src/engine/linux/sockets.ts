/** What every socket of this engine is opened with. */

import type { SocketOptions } from '../../ports/engine.js'
import {
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
  TCP_QUICKACK,
} from './ffi/abi.js'
import type { SocketFd } from './ffi/descriptors.js'
import { isLoopback, type SocketAddress } from './ffi/layout.js'
import type { Libc } from './ffi/libc.js'

/** Registered once for everything; what is ready is remembered by the conn. */
export const CONN_EVENTS = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET

/** The kernel counts keep-alive in seconds, and refuses 0. */
const MIN_KEEP_ALIVE_SECONDS = 1

/**
 * Congestion controls that pace: a timer and its interrupt for every 64 KiB or less, which on a virtual machine cost more
 * than moving them. Inside one machine there is nothing to be gentle with.
 */
const PACING: ReadonlySet<string | null> = new Set(['bbr', 'bbr2', 'bbr3'])

/** In every kernel, open to every user, and never paces (tcp_reno, tcp_cong.c). */
const UNPACED = 'reno'

/** Whether new sockets pace by themselves: the default of a network namespace, asked once per engine. */
const pacesByDefault = new WeakMap<Libc, boolean>()

const paces = (libc: Libc, fd: SocketFd): boolean => {
  let known = pacesByDefault.get(libc)
  if (known === undefined) {
    known = PACING.has(libc.congestionControl(fd))
    pacesByDefault.set(libc, known)
  }
  return known
}

/**
 * `at`: whom it connects to, or where it listens. On a listening socket, its connections inherit all of it: no call per
 * connection (inet_csk_clone_lock).
 */
export const setTcpOptions = (libc: Libc, fd: SocketFd, at: SocketAddress, options: SocketOptions): void => {
  if (isLoopback(at) && paces(libc, fd)) libc.setCongestionControl(fd, UNPACED)
  if (options.noDelay ?? true) libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)
  const keepAliveMs = options.keepAliveMs ?? 0
  if (keepAliveMs <= 0) return
  libc.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
  const seconds = Math.max(MIN_KEEP_ALIVE_SECONDS, Math.floor(keepAliveMs / 1000))
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds)
}

/**
 * For a socket that has bytes to send once it is connected: they take the handshake's last ACK with them, and a packet is
 * spared (tcp_rcv_synsent_state_process). If nothing is sent after all, the ACK goes out by itself within 200 ms; until then
 * the other side knows of no connection. From then on the kernel acknowledges as ever.
 */
export const ackWithFirstBytes = (libc: Libc, fd: SocketFd): void => {
  libc.setOption(fd, IPPROTO_TCP, TCP_QUICKACK, 0)
}
