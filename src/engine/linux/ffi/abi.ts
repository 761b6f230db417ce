/**
 * The kernel's numbers, from its own headers (include/uapi). They are the same on x86-64 and arm64, which both use the
 * asm-generic values; `koffi.ts` refuses every other machine.
 */

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export type Family = typeof AF_UNIX | typeof AF_INET | typeof AF_INET6

export const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000
/** Every descriptor is made with both: nothing may block the thread, and no child process may inherit one. */
export const NONBLOCK_CLOEXEC = O_NONBLOCK | O_CLOEXEC
export const EPOLL_CLOEXEC = O_CLOEXEC
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_KEEPALIVE = 9
export const SO_LINGER = 13
export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const TCP_KEEPIDLE = 4
export const TCP_QUICKACK = 12
export const TCP_CONGESTION = 13
export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26

export const MSG_PEEK = 0x2
/** On TCP: discards instead of copying (tcp(7)). */
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000
/** What was sent may wait for more to go out with it, 200 ms at most (tcp(7), TCP_CORK). */
export const MSG_MORE = 0x8000
export const SHUT_RD = 0
export const SHUT_WR = 1

/** SPLICE_F_MOVE | SPLICE_F_NONBLOCK */
export const SPLICE_FLAGS = 1 | 2
export const F_SETFL = 4
export const F_SETPIPE_SZ = 1031
export const F_DUPFD_CLOEXEC = 1030
export const RLIMIT_NOFILE = 7

export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLLIN = 0x1
/** TCP's urgent mark has arrived, and has not been read past. */
export const EPOLLPRI = 0x2
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x2000
/** Of several threads that wait for one listener, wakes one. */
export const EPOLLEXCLUSIVE = 1 << 28
/** Bit 31: negative as an int32, which is how the layout writes it. */
export const EPOLLET = 1 << 31

/** Failures come back negative, as in the kernel and in libuv. */
export const EAGAIN = -11
export const ENFILE = -23
export const EMFILE = -24
export const ENOBUFS = -105
export const ENOMEM = -12
export const EINVAL = -22
export const ETIMEDOUT = -110
export const EINPROGRESS = -115
export const EAFNOSUPPORT = -97
export const EADDRNOTAVAIL = -99
