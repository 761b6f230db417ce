/**
 * Which thread has which descriptor open. Descriptors belong to the process: those of a thread that dies stay open, and
 * somebody else has to close them.
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

export type DescriptorLedger = Uint16Array<SharedArrayBuffer>

export interface LedgerSeat {
  readonly ledger: DescriptorLedger
  /** 0 to 65,534. At any time one living thread has it. */
  readonly owner: number
}

/**
 * fs.nr_open's default, and so the most that a process can have open unless somebody raised that. The kernel gives the
 * lowest number that is free: the pages for higher ones are never touched and take no memory, and the limit of the day
 * (RLIMIT_NOFILE, which may be raised at any time) need not be asked. Beyond it nothing is marked.
 */
const MOST_DESCRIPTORS = 1024 * 1024

/** What is on its way from thread to thread is the main one's. */
export const MAIN_OWNER = 0

export const markOf = (owner: number): number => owner + 1

export const createDescriptorLedger = (): DescriptorLedger =>
  new Uint16Array(new SharedArrayBuffer(MOST_DESCRIPTORS * Uint16Array.BYTES_PER_ELEMENT))
