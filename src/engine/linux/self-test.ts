/**
 * Whether the kernel does what the engine lives by. A sandbox may lack a call, refuse it (seccomp), or have it behave
 * otherwise: better known at the start, when there is another engine, than with connections open.
 */

import { getSystemErrorName } from 'node:util'
import type { TidegateError } from '../../errors.js'
import { AF_UNIX, EPOLLIN } from './ffi/abi.js'
import { type AnyFd, failed } from './ffi/descriptors.js'
import { unavailable } from './ffi/koffi.js'
import type { Libc } from './ffi/libc.js'

/** Any that shows where the kernel has put it. */
const GENERATION = 0x5eed
const BYTE = 0x7e

/**
 * One byte through a socket pair, an epoll set, a pipe and two splices: some twenty calls, 0.1 ms. Leaves nothing open.
 * @throws TidegateError `engine_unavailable`: which call, and why.
 */
export const checkKernel = (libc: Libc): void => {
  const open: AnyFd[] = []
  try {
    sendByteAround(libc, open)
  } finally {
    for (const fd of open) libc.close(fd)
  }
}

const refused = (call: string, negated: number): TidegateError =>
  unavailable(`${call} fails here (${getSystemErrorName(negated)})`)

const expectResult = (call: string, result: number, expected: number): void => {
  if (result < 0) throw refused(call, result)
  if (result !== expected)
    throw unavailable(`${call} does not work here: ${result}, where ${expected} was expected`)
}

const sendByteAround = (libc: Libc, open: AnyFd[]): void => {
  const pair = libc.socketPair(AF_UNIX)
  if (typeof pair === 'number') throw refused('socketpair', pair)
  open.push(...pair)
  const [near, far] = pair
  const epoll = libc.epoll()
  if (failed(epoll)) throw refused('epoll_create1', epoll)
  open.push(epoll)
  const pipe = libc.pipe()
  if (typeof pipe === 'number') throw refused('pipe2', pipe)
  open.push(pipe.entry, pipe.exit)

  expectResult('epoll_ctl', libc.watch(epoll, far, EPOLLIN, GENERATION), 0)
  expectResult('epoll_wait', libc.takeEvents(epoll), 0)
  expectResult('send', libc.send(near, Uint8Array.of(BYTE), 1), 1)
  expectResult('epoll_wait', libc.takeEvents(epoll), 1)
  const { words, layout } = libc.events
  expectResult('epoll_wait', words[0] ?? 0, EPOLLIN)
  expectResult('epoll_wait', words[layout.fd] ?? 0, far)
  expectResult('epoll_wait', words[layout.generation] ?? 0, GENERATION)

  expectResult('splice', libc.splice(far, pipe.entry, 2), 1)
  expectResult('splice', libc.splice(pipe.exit, far, 1), 1)
  const got = new Uint8Array(2)
  expectResult('recv', libc.receive(near, got), 1)
  expectResult('recv', got[0] ?? 0, BYTE)
}
