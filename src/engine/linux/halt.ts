/**
 * How an engine stops before its thread does. koffi calls the watcher of an epoll set straight from the event loop, and
 * ends the whole process when JavaScript may not run any more at that moment, or is stopped meanwhile
 * (`napi_throw` fails in `PollHandle::OnPoll`). So whenever a thread is about to end, its watcher has to be gone:
 *
 * - a thread that ends by itself (`process.exit` in it, an uncaught error, nothing left to do) closes it in its `exit` event
 * - one that is stopped from outside (`Worker.terminate`, or `process.exit` on the main thread) has to be halted before:
 *   asked through shared memory, woken, waited for
 */

import type { TidegateError } from '../../errors.js'
import { misuse } from '../shared/errors.js'
import { AF_UNIX } from './ffi/abi.js'
import { asEpollFd, type EpollFd, failed, type SocketFd } from './ffi/descriptors.js'
import { type DescriptorLedger, engineAt, type LedgerSeat, MAIN_OWNER, MOST_OWNERS } from './ffi/ledger.js'
import { Libc } from './ffi/libc.js'

/** The states of an engine in the ledger. */
const VACANT = 0
const RUNNING = 1
const ASKED = 2
const HALTED = 3

/** A turn takes milliseconds, on a busy machine some tens; a thread that takes longer than this hangs. */
const HALT_MS = 1000

const exits = new Set<() => void>()

const runExits = (): void => {
  for (const exit of exits) exit()
}

/** Calls `exit` when this thread ends by itself, unless the result was called before. One listener for all. */
export const atExit = (exit: () => void): (() => void) => {
  if (exits.size === 0) process.on('exit', runExits)
  exits.add(exit)
  return () => {
    exits.delete(exit)
    if (exits.size === 0) process.off('exit', runExits)
  }
}

const notVacant = ({ owner }: LedgerSeat): TidegateError =>
  misuse(`no engine can have seat ${owner} of the ledger now`)

/** An engine's side. Without a seat nobody can ask. */
export class HaltSwitch {
  readonly #engines: DescriptorLedger['engines'] | null
  readonly #at: number

  /** @throws TidegateError `misuse`: the seat is taken, is none, or belongs to an engine that was halted. */
  constructor(seat: LedgerSeat | null, epoll: EpollFd) {
    this.#engines = seat?.ledger.engines ?? null
    this.#at = engineAt(seat?.owner ?? MAIN_OWNER)
    if (seat === null || this.#engines === null) return
    const isOwner = Number.isInteger(seat.owner) && seat.owner >= 0 && seat.owner < MOST_OWNERS
    if (!isOwner || Atomics.load(this.#engines, this.#at) !== VACANT) throw notVacant(seat)
    Atomics.store(this.#engines, this.#at + 1, epoll)
    if (Atomics.compareExchange(this.#engines, this.#at, VACANT, RUNNING) !== VACANT) throw notVacant(seat)
  }

  get isAsked(): boolean {
    return this.#engines !== null && Atomics.load(this.#engines, this.#at) === ASKED
  }

  /** Its watcher is gone. */
  done(): void {
    if (this.#engines === null) return
    const wasRunning = Atomics.compareExchange(this.#engines, this.#at, RUNNING, VACANT) === RUNNING
    if (!wasRunning) Atomics.store(this.#engines, this.#at, HALTED)
    Atomics.notify(this.#engines, this.#at)
  }
}

/** The seat is free for another engine. Only when the thread that had it is dead. */
export const vacate = ({ ledger, owner }: LedgerSeat): void => {
  Atomics.store(ledger.engines, engineAt(owner), VACANT)
}

/** The other side: whoever stops threads. */
class Halter {
  readonly #ledger: DescriptorLedger
  readonly #libc = new Libc()
  /** Not connected, which an epoll set tells of at once and always (EPOLLHUP): it wakes any thread it is added to. */
  readonly #bell: SocketFd | null

  constructor(ledger: DescriptorLedger) {
    this.#ledger = ledger
    const bell = this.#libc.socket(AF_UNIX)
    // Without a descriptor left, only those who are busy notice.
    this.#bell = failed(bell) ? null : bell
  }

  /** What it has asked must have been waited for, see {@link wait}. */
  ask(owner: number): void {
    const { engines } = this.#ledger
    const at = engineAt(owner)
    // One that would start only now must not.
    if (Atomics.compareExchange(engines, at, VACANT, HALTED) === VACANT) return
    if (Atomics.compareExchange(engines, at, RUNNING, ASKED) !== RUNNING || this.#bell === null) return
    this.#libc.watch(asEpollFd(Atomics.load(engines, at + 1)), this.#bell, 0, 0)
  }

  /** False when it is running still. */
  wait(owner: number, untilMs: number): boolean {
    const { engines } = this.#ledger
    const at = engineAt(owner)
    while (Atomics.load(engines, at) === ASKED) {
      const left = untilMs - performance.now()
      if (left <= 0 || Atomics.wait(engines, at, ASKED, left) === 'timed-out') return false
    }
    return true
  }

  /** Takes the bell out of every epoll set. */
  close(): void {
    if (this.#bell !== null) this.#libc.close(this.#bell)
  }
}

/**
 * Halts the engine of another thread: it accepts, moves and tells nothing any more, and its thread can be terminated. Its
 * descriptors stay open, see `closeDescriptorsOf`. Blocks this thread until it has done so, 1 s at most.
 * False when it has not: to terminate that thread may end the process.
 * @throws TidegateError `engine_unavailable`.
 */
export const haltEngine = (ledger: DescriptorLedger, owner: number): boolean => {
  const halter = new Halter(ledger)
  halter.ask(owner)
  const isHalted = halter.wait(owner, performance.now() + HALT_MS)
  halter.close()
  return isHalted
}

/**
 * Halts the engines of all other threads when this one, the main thread, ends the process: by `process.exit` or by an
 * uncaught error. Whoever starts threads with engines needs this as long as there are any, or the process may
 * abort instead of ending. Returns what undoes it.
 * @throws TidegateError `engine_unavailable`.
 */
export const haltEnginesAtExit = (ledger: DescriptorLedger): (() => void) => {
  const halter = new Halter(ledger)
  const forget = atExit(() => {
    const until = performance.now() + HALT_MS
    for (let owner = 0; owner < MOST_OWNERS; owner++) if (owner !== MAIN_OWNER) halter.ask(owner)
    for (let owner = 0; owner < MOST_OWNERS; owner++) if (owner !== MAIN_OWNER) halter.wait(owner, until)
  })
  return () => {
    forget()
    halter.close()
  }
}
