/**
 * One epoll set inside the thread's event loop. libuv polls the set's descriptor; when it has events the reactor takes a
 * few batches of them, and then lets the loop go on with timers, promises and messages.
 *
 * - watched: a socket's owner; told which of IN, OUT, RDHUP, HUP, ERR are there
 * - generation: tells events of a descriptor's present owner from those of an earlier one with the same number, which
 *   can still be in the batch that is being handled
 * - task: work that a socket has left when it has done its share of a turn; all tasks of a turn take theirs in order
 */

import { viewOf } from '../../core/bytes.js'
import { type AnyFd, type EpollFd, failed, type ListenFd, type SocketFd } from './ffi/descriptors.js'
import type { LedgerSeat } from './ffi/ledger.js'
import { Libc, type Watcher } from './ffi/libc.js'
import { atExit, HaltSwitch } from './halt.js'
import { checkKernel } from './self-test.js'
import { systemError } from './system-error.js'
import { TimerWheel } from './timers.js'

export interface Watched {
  ready(events: number): void
}

export interface Task {
  /** Kept by the reactor: it is in the queue already. */
  isQueued: boolean
  run(): void
}

/** Batches before the loop goes on: fewer visits to libuv under load, and timers wait for 1,000 events at most. */
const BATCHES_PER_TURN = 4

/** A power of two. */
const VIEWS = 64

export class Reactor {
  readonly libc: Libc
  readonly timers = new TimerWheel()
  /** performance.now() of this turn. */
  now = performance.now()
  /** Sockets that clients' dials have open. */
  dialling = 0
  readonly #bufferBytes: number
  #buffer: Uint8Array
  /** Of the buffer, by the low bits of their length. Without it they have none. */
  readonly #views: Uint8Array[] = []
  readonly #epoll: EpollFd
  readonly #watcher: Watcher
  readonly #halt: HaltSwitch
  readonly #notAtExit: () => void
  /** By descriptor: a dense array, since the kernel gives the lowest number that is free, to all threads together. */
  readonly #watched: (Watched | undefined)[] = []
  readonly #generations: number[] = []
  readonly #starving = new Set<() => void>()
  #lastGeneration = 0
  #open = 0
  #tasks: Task[] = []
  #spareTasks: Task[] = []
  #immediate: NodeJS.Immediate | undefined
  /** What a callback of this turn threw. It must not cost others their events, which are not told again. */
  #thrown: { readonly what: unknown } | null = null
  #isInTurn = false
  #isClosed = false
  #isEpollClosed = false

  /** @throws TidegateError `engine_unavailable`; Error with a system code when there is no descriptor left. */
  constructor(bufferBytes: number, seat: LedgerSeat | null) {
    this.libc = new Libc(seat)
    checkKernel(this.libc)
    this.#bufferBytes = bufferBytes
    this.#buffer = new Uint8Array(bufferBytes)
    const epoll = this.libc.epoll()
    if (failed(epoll)) throw systemError('epoll_create1', epoll)
    this.#epoll = epoll
    this.#halt = this.#takeSeat(seat, epoll)
    this.#watcher = this.libc.onEvents(epoll, () => this.#turn())
    this.#notAtExit = atExit(() => this.#closeEpoll())
    this.#watcher.keepAlive(false)
  }

  /** Where everything that is read into memory goes first, whoever reads. Valid until the next read. */
  get buffer(): Uint8Array {
    // An observer can transfer its chunk's memory away, and reading into none would look like everybody's end.
    if (this.#buffer.length === 0) this.#buffer = new Uint8Array(this.#bufferBytes)
    return this.#buffer
  }

  /** The first `length` bytes of {@link buffer}. Sizes of messages recur, and a view costs more than all else about one. */
  received(length: number): Uint8Array {
    const slot = length & (VIEWS - 1)
    const known = this.#views[slot]
    if (known !== undefined && known.length === length) return known
    const view = viewOf(this.#buffer, 0, length)
    this.#views[slot] = view
    return view
  }

  /** A descriptor that is open in any case. */
  get anyFd(): AnyFd {
    return this.#epoll
  }

  /** 0, or a negated errno. */
  watch(fd: SocketFd | ListenFd, watched: Watched, events: number): number {
    const generation = this.#nextGeneration()
    const result = this.libc.watch(this.#epoll, fd, events, generation)
    if (result < 0) return result
    this.#watched[fd] = watched
    this.#generations[fd] = generation
    if (++this.#open === 1) this.#watcher.keepAlive(true)
    return 0
  }

  /** The descriptor's new owner; its registration stays. */
  handOver(fd: SocketFd, watched: Watched): void {
    this.#watched[fd] = watched
  }

  /** Stays open, but tells nothing any more. */
  unwatch(fd: SocketFd | ListenFd): void {
    this.libc.unwatch(this.#epoll, fd)
    this.#forget(fd)
  }

  /** Stays open, and is another thread's from now on. */
  letGo(fd: SocketFd): void {
    this.unwatch(fd)
    this.libc.leaveToMain(fd)
  }

  /** Closes a descriptor, watched or not. Closing takes it out of the epoll set (epoll(7)). */
  close(fd: SocketFd | ListenFd): void {
    this.#forget(fd)
    this.libc.close(fd)
    if (this.#starving.size > 0) this.#tellStarving()
  }

  /** Calls `retry` when a descriptor has been closed here. */
  whenDescriptorsAreFree(retry: () => void): void {
    this.#starving.add(retry)
  }

  forgetRetry(retry: () => void): void {
    this.#starving.delete(retry)
  }

  /** Runs `task` in this turn if there is one, else in the next. */
  enqueue(task: Task): void {
    if (task.isQueued || this.#isClosed) return
    task.isQueued = true
    this.#tasks.push(task)
    if (!this.#isInTurn) this.#immediate ??= setImmediate(() => this.#lateTurn())
  }

  /** Idempotent. Whoever owns a descriptor has closed it before. */
  shutDown(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearImmediate(this.#immediate)
    this.timers.close()
    // Not from inside its own callback.
    if (this.#isInTurn) setImmediate(() => this.#closeEpoll())
    else this.#closeEpoll()
  }

  #takeSeat(seat: LedgerSeat | null, epoll: EpollFd): HaltSwitch {
    try {
      return new HaltSwitch(seat, epoll)
    } catch (thrown) {
      this.libc.close(epoll)
      throw thrown
    }
  }

  #tellStarving(): void {
    const starving = [...this.#starving]
    this.#starving.clear()
    for (const retry of starving) retry()
  }

  #closeEpoll(): void {
    if (this.#isEpollClosed) return
    this.#isEpollClosed = true
    this.#notAtExit()
    this.#watcher.close()
    this.libc.close(this.#epoll)
    this.#halt.done()
  }

  #forget(fd: SocketFd | ListenFd): void {
    if (this.#watched[fd] === undefined) return
    this.#watched[fd] = undefined
    if (--this.#open === 0 && !this.#isClosed) this.#watcher.keepAlive(false)
  }

  #nextGeneration(): number {
    this.#lastGeneration = (this.#lastGeneration + 1) | 0
    return this.#lastGeneration
  }

  #lateTurn(): void {
    this.#immediate = undefined
    if (!this.#isClosed) this.#turn()
  }

  #turn(): void {
    this.now = performance.now()
    this.#isInTurn = true
    if (this.#halt.isAsked) this.shutDown()
    try {
      for (let batch = 0; batch < BATCHES_PER_TURN && !this.#isClosed; batch++) {
        const count = this.libc.takeEvents(this.#epoll)
        if (count <= 0 && this.#tasks.length === 0) break
        this.#dispatch(count)
        this.#runTasks()
      }
    } finally {
      this.#isInTurn = false
      if (this.#tasks.length > 0 && !this.#isClosed) this.#immediate ??= setImmediate(() => this.#lateTurn())
    }
    if (this.#thrown !== null) this.#rethrow(this.#thrown)
  }

  /** Not from inside the watcher's callback: Node would meet it in the midst of whatever runs next. */
  #rethrow(thrown: { readonly what: unknown }): void {
    this.#thrown = null
    setImmediate(() => {
      throw thrown.what
    })
  }

  #dispatch(count: number): void {
    const { words, layout } = this.libc.events
    for (let at = 0, end = count * layout.stride; at < end; at += layout.stride) {
      const fd = words[layout.fd + at] ?? -1
      if (this.#generations[fd] !== words[layout.generation + at]) continue
      try {
        this.#watched[fd]?.ready(words[at] ?? 0)
      } catch (thrown) {
        this.#thrown ??= { what: thrown }
      }
    }
  }

  /** Those that come meanwhile wait for the next batch, so that a busy one does not keep the events waiting. */
  #runTasks(): void {
    const tasks = this.#tasks
    if (tasks.length === 0) return
    this.#tasks = this.#spareTasks
    for (const task of tasks) {
      task.isQueued = false
      try {
        task.run()
      } catch (thrown) {
        this.#thrown ??= { what: thrown }
      }
    }
    tasks.length = 0
    this.#spareTasks = tasks
  }
}
