/**
 * What the threads of a process share about their engines: which has which descriptor open, and whether it is running.
 * Descriptors belong to the process: those of a thread that dies stay open, and somebody else has to close them.
 *
 * - owner: a number for a thread, its engine's as long as it lives; 0 is the main thread
 * - mark: owner + 1; 0 stands where nobody has to close anything
 * - seat: where one thread keeps its marks
 *
 * A mark is set right after opening and cleared right before closing, never after: by then another thread may have been
 * given the number, and marked it. So a thread that is stopped between the two leaves one descriptor open, but
 * nobody ever closes a descriptor that is another's.
 *
 * Plain writes do. A number passes from one thread to the next through the kernel's lock on the table of descriptors,
 * which orders what both wrote; a dead thread's marks are read after it has been joined.
 */

/** Plain data: a thread gets it with its `workerData`. */
export interface DescriptorLedger {
  /** By descriptor. */
  readonly marks: Uint16Array<SharedArrayBuffer>
  /** By owner, {@link ENGINE_WORDS} for each. */
  readonly engines: Int32Array<SharedArrayBuffer>
  /** Descriptors that accepted clients still need: of all engines together, and from 1 on by owner (`promises.ts`). */
  readonly promised: Int32Array<SharedArrayBuffer>
  /** One word: the highest descriptor that any of them has seen (`headroom.ts`). */
  readonly highest: Int32Array<SharedArrayBuffer>
}

export interface LedgerSeat {
  readonly ledger: DescriptorLedger
  /** 0 to {@link MOST_OWNERS} - 1. At any time one engine has it. */
  readonly owner: number
}

/** Twice the workers that can be configured: one that takes over may have a number of its own. */
export const MOST_OWNERS = 512

/** What is at {@link engineAt} is its state (`halt.ts`); the word after it is its epoll set's descriptor. */
const ENGINE_WORDS = 2

export const engineAt = (owner: number): number => owner * ENGINE_WORDS

/**
 * fs.nr_open's default, and so the most that a process can have open unless somebody raised that. The kernel gives the
 * lowest number that is free: the pages for higher ones are never touched and take no memory, and the limit of the day
 * (RLIMIT_NOFILE, which may be raised at any time) need not be asked. Beyond it nothing is marked.
 */
const MOST_DESCRIPTORS = 1024 * 1024

/** What is on its way from thread to thread is the main one's. */
export const MAIN_OWNER = 0

export const markOf = (owner: number): number => owner + 1

export const createDescriptorLedger = (): DescriptorLedger => ({
  marks: new Uint16Array(new SharedArrayBuffer(MOST_DESCRIPTORS * Uint16Array.BYTES_PER_ELEMENT)),
  engines: new Int32Array(new SharedArrayBuffer(MOST_OWNERS * ENGINE_WORDS * Int32Array.BYTES_PER_ELEMENT)),
  promised: new Int32Array(new SharedArrayBuffer((1 + MOST_OWNERS) * Int32Array.BYTES_PER_ELEMENT)),
  highest: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
})

/** For who keeps no account. */
export const noMarks = (): DescriptorLedger['marks'] => new Uint16Array(new SharedArrayBuffer(0))
