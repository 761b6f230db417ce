/**
 * The system calls of the engine, typed. Each gives what the kernel gave, or the negated errno, which is read at once;
 * none throws. Buffers that the kernel writes to belong to this file or are checked against the length they are used
 * with: a wrong pointer would end the process.
 */

import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  F_DUPFD_CLOEXEC,
  F_SETFL,
  F_SETPIPE_SZ,
  type Family,
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_MORE,
  MSG_NOSIGNAL,
  MSG_PEEK,
  MSG_TRUNC,
  NONBLOCK_CLOEXEC,
  O_NONBLOCK,
  RLIMIT_NOFILE,
  SHUT_RD,
  SHUT_WR,
  SO_ERROR,
  SO_LINGER,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  SPLICE_FLAGS,
  TCP_CONGESTION,
} from './abi.js'
import {
  type AnyFd,
  type EpollFd,
  type Failed,
  type ListenFd,
  NO_SOCKET,
  type Pipe,
  type PipeFd,
  type SocketFd,
} from './descriptors.js'
import { type Foreign, loadForeign, supportedArchitecture } from './koffi.js'
import {
  CONGESTION_NAME_BYTES,
  type EventLayout,
  eventLayout,
  lingerZero,
  SOCKADDR_BYTES,
  type SocketAddress,
} from './layout.js'
import { type DescriptorLedger, type LedgerSeat, MAIN_OWNER, markOf, noMarks } from './ledger.js'
import { bindAll, type Calls } from './prototypes.js'

/** The events of one `epollWait`, as 32-bit words in the kernel's layout. */
export interface EventBatch {
  readonly words: Int32Array
  readonly layout: EventLayout
}

/** Calls back inside libuv's loop whenever the epoll set has events, or the socket something to read. */
export interface Watcher {
  /** Whether it keeps the process alive. */
  keepAlive(yes: boolean): void
  close(): void
}

/** Events taken at a time: enough for a busy turn, little enough that timers are not kept waiting. */
const EVENTS_PER_WAIT = 256

/** How much is thrown away per call. On TCP nothing is copied, so that the buffer is never touched. */
const DISCARD_BYTES = 64 * 1024

/** RLIM_INFINITY, and whatever else is beyond any descriptor's number. */
const NO_LIMIT = 2 ** 31 - 1

export class Libc {
  readonly events: EventBatch
  /** The peer of the last `accept`. */
  readonly peer = new Uint8Array(SOCKADDR_BYTES)
  readonly #foreign: Foreign
  readonly #call: Calls
  readonly #errno: () => number
  readonly #event: Int32Array
  readonly #eventBytes: Uint8Array
  // On buffers of their own: the data of a small typed array is otherwise moved by the garbage collector.
  readonly #length = new Int32Array(new ArrayBuffer(4))
  readonly #value = new Int32Array(new ArrayBuffer(4))
  readonly #pair = new Int32Array(new ArrayBuffer(8))
  readonly #name = new Uint8Array(SOCKADDR_BYTES)
  /** `struct rlimit`: the soft and the hard limit, 64 bits each, low words first. */
  readonly #limits = new Int32Array(new ArrayBuffer(16))
  readonly #linger = lingerZero()
  readonly #congestion = new Uint8Array(new ArrayBuffer(CONGESTION_NAME_BYTES))
  readonly #peeked = new Uint8Array(new ArrayBuffer(1))
  #waste: Uint8Array | null = null
  readonly #marks: DescriptorLedger['marks']
  readonly #mark: number

  /** `seat`: where this thread notes the descriptors it owns. @throws TidegateError `engine_unavailable`. */
  constructor(seat: LedgerSeat | null = null) {
    this.#marks = seat?.ledger.marks ?? noMarks()
    this.#mark = markOf(seat?.owner ?? MAIN_OWNER)
    this.#foreign = loadForeign()
    const { koffi, library } = this.#foreign
    this.#call = bindAll(library)
    this.#errno = koffi.errno
    const layout = eventLayout(supportedArchitecture())
    this.events = { words: new Int32Array(layout.stride * EVENTS_PER_WAIT), layout }
    this.#event = new Int32Array(new ArrayBuffer(layout.stride * Int32Array.BYTES_PER_ELEMENT))
    this.#eventBytes = new Uint8Array(this.events.words.buffer)
  }

  socket(family: Family): SocketFd | Failed {
    return this.#opened(this.#call.socket(family, SOCK_STREAM | NONBLOCK_CLOEXEC, 0)) as SocketFd | Failed
  }

  /** Takes whole messages; {@link receive} gives one, cut to its buffer. */
  datagramSocket(family: Family): SocketFd | Failed {
    return this.#opened(this.#call.socket(family, SOCK_DGRAM | NONBLOCK_CLOEXEC, 0)) as SocketFd | Failed
  }

  /** Two ends of one unix stream. */
  socketPair(family: Family): readonly [SocketFd, SocketFd] | Failed {
    const result = this.#result(this.#call.socketpair(family, SOCK_STREAM | NONBLOCK_CLOEXEC, 0, this.#pair))
    return result < 0 ? (result as Failed) : (this.#openedPair() as [SocketFd, SocketFd])
  }

  setOption(fd: SocketFd, level: number, option: number, value: number): number {
    this.#value[0] = value
    return this.#result(this.#call.setsockopt(fd, level, option, this.#value, 4))
  }

  /** How the socket reacts to congestion, e.g. `cubic`; null when the kernel does not say. */
  congestionControl(fd: SocketFd): string | null {
    const name = this.#congestion
    this.#length[0] = name.length
    if (this.#call.getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, this.#length) < 0) return null
    return String.fromCharCode(...name.subarray(0, name.indexOf(0)))
  }

  setCongestionControl(fd: SocketFd, name: string): number {
    const bytes = this.#congestion
    for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i)
    return this.#result(this.#call.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bytes, name.length))
  }

  /** From now on `close` sends RST. */
  resetOnClose(fd: SocketFd): number {
    return this.#result(this.#call.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#linger, this.#linger.length))
  }

  /** The pending error of a socket, negated, and forgotten by the kernel; 0 when there is none. */
  takeError(fd: SocketFd): number {
    this.#value[0] = 0
    this.#length[0] = 4
    const result = this.#result(this.#call.getsockopt(fd, SOL_SOCKET, SO_ERROR, this.#value, this.#length))
    return result < 0 ? result : -(this.#value[0] ?? 0)
  }

  bind(fd: SocketFd, address: SocketAddress): number {
    return this.#result(this.#call.bind(fd, address.bytes, address.length))
  }

  /** The socket listens from now on, and is called what it is. */
  listen(fd: SocketFd, backlog: number): ListenFd | Failed {
    const result = this.#result(this.#call.listen(fd, backlog))
    return (result < 0 ? result : fd) as unknown as ListenFd | Failed
  }

  /** For all who have it, in other processes too. It belongs to the socket, not to the descriptor (fcntl(2)). */
  setBlocking(fd: ListenFd, yes: boolean): number {
    return this.#result(this.#call.fcntl(fd, F_SETFL, yes ? 0 : O_NONBLOCK))
  }

  connect(fd: SocketFd, address: SocketAddress): number {
    return this.#result(this.#call.connect(fd, address.bytes, address.length))
  }

  /** Leaves the client's address in {@link peer}. */
  accept(fd: ListenFd): SocketFd | Failed {
    this.#length[0] = SOCKADDR_BYTES
    return this.#opened(this.#call.accept4(fd, this.peer, this.#length, NONBLOCK_CLOEXEC)) as
      | SocketFd
      | Failed
  }

  /** This end's address, valid until the next call; null when there is none. */
  localName(fd: SocketFd | ListenFd): Uint8Array | null {
    this.#length[0] = SOCKADDR_BYTES
    return this.#call.getsockname(fd, this.#name, this.#length) === 0 ? this.#name : null
  }

  /** At most `buffer.length` bytes; 0 at the other side's end. */
  receive(fd: SocketFd, buffer: Uint8Array): number {
    return this.#result(this.#call.recv(fd, buffer, buffer.length, 0))
  }

  /** 1 when there is something to read, 0 at the other side's end; nothing is taken. */
  peek(fd: SocketFd): number {
    return this.#result(this.#call.recv(fd, this.#peeked, 1, MSG_PEEK | MSG_DONTWAIT))
  }

  /** Reads and forgets. */
  discard(fd: SocketFd): number {
    this.#waste ??= new Uint8Array(DISCARD_BYTES)
    return this.#result(this.#call.recv(fd, this.#waste, DISCARD_BYTES, MSG_TRUNC | MSG_DONTWAIT))
  }

  /** The first `length` bytes of `bytes`; `moreFollows`: more, or FIN, is sent at once. */
  send(fd: SocketFd, bytes: Uint8Array, length: number, moreFollows = false): number {
    const flags = moreFollows ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL
    return this.#result(this.#call.send(fd, bytes, Math.min(length, bytes.length), flags))
  }

  splice(from: SocketFd | PipeFd, to: SocketFd | PipeFd, length: number): number {
    return this.#result(this.#call.splice(from, 0, to, 0, length, SPLICE_FLAGS))
  }

  /** What a pipe holds, into memory. */
  readPipe(fd: PipeFd, buffer: Uint8Array): number {
    return this.#result(this.#call.read(fd, buffer, buffer.length))
  }

  pipe(): Pipe | Failed {
    const result = this.#result(this.#call.pipe2(this.#pair, NONBLOCK_CLOEXEC))
    if (result < 0) return result as Failed
    const [exit, entry] = this.#openedPair() as [PipeFd, PipeFd]
    return { exit, entry }
  }

  /** Asks for room in a pipe; gives what it has now. */
  growPipe(fd: PipeFd, bytes: number): number {
    return this.#result(this.#call.fcntl(fd, F_SETPIPE_SZ, bytes))
  }

  /** Sends FIN. */
  endWriting(fd: SocketFd): number {
    return this.#result(this.#call.shutdown(fd, SHUT_WR))
  }

  /** How many descriptors this process may have open, now; at most what fits into 31 bits. */
  descriptorLimit(): number {
    if (this.#call.getrlimit(RLIMIT_NOFILE, this.#limits) < 0) return NO_LIMIT
    const [low = 0, high = 0] = this.#limits
    return high !== 0 || low < 0 ? NO_LIMIT : low
  }

  /** Resets who waits and refuses who comes, for all that have a descriptor of it: they get EINVAL from then on. */
  endListening(fd: ListenFd): void {
    this.#call.shutdown(fd, SHUT_RD)
  }

  /** Another descriptor of the same, with the lowest number from `lowest` on that is free. */
  duplicate<Fd extends AnyFd>(fd: Fd, lowest = 0): Fd | Failed {
    return this.#opened(this.#call.fcntl(fd, F_DUPFD_CLOEXEC, lowest)) as Fd | Failed
  }

  /** The number is free for others even when this fails (close(2)). */
  close(fd: AnyFd): void {
    if (fd < 0) return
    this.#marks[fd] = 0
    this.#call.close(fd)
  }

  /** This thread closes `fd` from now on, whoever opened it. */
  own(fd: AnyFd): void {
    this.#marks[fd] = this.#mark
  }

  /** On its way to another thread: the end of this one no longer closes it. */
  leaveToMain(fd: AnyFd): void {
    this.#marks[fd] = markOf(MAIN_OWNER)
  }

  /** Node closes it from now on. */
  leaveToNode(fd: AnyFd): void {
    this.#marks[fd] = 0
  }

  epoll(): EpollFd | Failed {
    return this.#opened(this.#call.epoll_create1(EPOLL_CLOEXEC)) as EpollFd | Failed
  }

  watch(epoll: EpollFd, fd: SocketFd | ListenFd, events: number, generation: number): number {
    const { layout } = this.events
    this.#event[0] = events
    this.#event[layout.fd] = fd
    this.#event[layout.generation] = generation
    return this.#result(this.#call.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, this.#event))
  }

  unwatch(epoll: EpollFd, fd: SocketFd | ListenFd): number {
    return this.#result(this.#call.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, this.#event))
  }

  /** How many of {@link events} are filled now; never waits. */
  takeEvents(epoll: EpollFd): number {
    return this.#result(this.#call.epoll_wait(epoll, this.#eventBytes, EVENTS_PER_WAIT, 0))
  }

  /** Again and again as long as there is something to read. */
  onEvents(fd: EpollFd | SocketFd, callback: () => void): Watcher {
    const handle = this.#foreign.koffi.node.poll(fd, { readable: true }, callback)
    return {
      keepAlive: (yes) => (yes ? handle.ref() : handle.unref()),
      close: () => {
        handle.stop()
        handle.close()
      },
    }
  }

  #result(value: number): number {
    return value < 0 ? -this.#errno() : value
  }

  #opened(fd: number): number {
    if (fd < 0) return -this.#errno()
    this.#marks[fd] = this.#mark
    return fd
  }

  #openedPair(): readonly [number, number] {
    const [one = NO_SOCKET, other = NO_SOCKET] = this.#pair
    this.#marks[one] = this.#mark
    this.#marks[other] = this.#mark
    return [one, other]
  }
}
