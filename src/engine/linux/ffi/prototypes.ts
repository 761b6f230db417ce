/** The C functions as koffi is told of them. Plain numbers and buffers go in; `libc.ts` is what gives them kinds. */

import type { Foreign } from './koffi.js'

type Call = (...args: readonly (number | Uint8Array | Int32Array)[]) => number

/** `ssize_t` is unknown to koffi: int64_t, which comes as a number. NULL offsets are int64_t 0, cheaper than null. */
const PROTOTYPES = {
  socket: 'int socket(int, int, int)',
  socketpair: 'int socketpair(int, int, int, void*)',
  setsockopt: 'int setsockopt(int, int, int, const void*, uint32_t)',
  getsockopt: 'int getsockopt(int, int, int, void*, void*)',
  bind: 'int bind(int, const void*, uint32_t)',
  listen: 'int listen(int, int)',
  connect: 'int connect(int, const void*, uint32_t)',
  accept4: 'int accept4(int, void*, void*, int)',
  getsockname: 'int getsockname(int, void*, void*)',
  recv: 'int64_t recv(int, void*, int64_t, int)',
  send: 'int64_t send(int, const void*, int64_t, int)',
  splice: 'int64_t splice(int, int64_t, int, int64_t, int64_t, uint32_t)',
  read: 'int64_t read(int, void*, int64_t)',
  pipe2: 'int pipe2(void*, int)',
  fcntl: 'int fcntl(int, int, int)',
  getrlimit: 'int getrlimit(int, void*)',
  shutdown: 'int shutdown(int, int)',
  close: 'int close(int)',
  epoll_create1: 'int epoll_create1(int)',
  epoll_ctl: 'int epoll_ctl(int, int, int, void*)',
  epoll_wait: 'int epoll_wait(int, void*, int, int)',
} as const

export type Calls = Readonly<Record<keyof typeof PROTOTYPES, Call>>

export const bindAll = (library: Foreign['library']): Calls => ({
  socket: library.func(PROTOTYPES.socket),
  socketpair: library.func(PROTOTYPES.socketpair),
  setsockopt: library.func(PROTOTYPES.setsockopt),
  getsockopt: library.func(PROTOTYPES.getsockopt),
  bind: library.func(PROTOTYPES.bind),
  listen: library.func(PROTOTYPES.listen),
  connect: library.func(PROTOTYPES.connect),
  accept4: library.func(PROTOTYPES.accept4),
  getsockname: library.func(PROTOTYPES.getsockname),
  recv: library.func(PROTOTYPES.recv),
  send: library.func(PROTOTYPES.send),
  splice: library.func(PROTOTYPES.splice),
  read: library.func(PROTOTYPES.read),
  pipe2: library.func(PROTOTYPES.pipe2),
  fcntl: library.func(PROTOTYPES.fcntl),
  getrlimit: library.func(PROTOTYPES.getrlimit),
  shutdown: library.func(PROTOTYPES.shutdown),
  close: library.func(PROTOTYPES.close),
  epoll_create1: library.func(PROTOTYPES.epoll_create1),
  epoll_ctl: library.func(PROTOTYPES.epoll_ctl),
  epoll_wait: library.func(PROTOTYPES.epoll_wait),
})
