/** What every socket of this engine is opened with. */

import type { SocketOptions } from '../../ports/engine.js'
import {
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from './ffi/abi.js'
import type { SocketFd } from './ffi/descriptors.js'
import type { Libc } from './ffi/libc.js'

/** Registered once for everything; what is ready is remembered by the conn. */
export const CONN_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET

/** The kernel counts keep-alive in seconds, and refuses 0. */
const MIN_KEEP_ALIVE_SECONDS = 1

/** On a listening socket, its connections inherit them: no call per connection (inet_csk_clone_lock). */
export const setTcpOptions = (libc: Libc, fd: SocketFd, options: SocketOptions): void => {
  if (options.noDelay ?? true) libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)
  const keepAliveMs = options.keepAliveMs ?? 0
  if (keepAliveMs <= 0) return
  libc.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
  const seconds = Math.max(MIN_KEEP_ALIVE_SECONDS, Math.floor(keepAliveMs / 1000))
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds)
}
