/** The store port: where the blocks of a recording go, one write after the other. */

/** What a write has not stored although it stored the rest: all that it had of some connections, whose own place cannot be written. */
export interface Refusal {
  /** By the gateway's own number, why, as {@link Store.write} would have thrown it. */
  readonly connections: ReadonlyMap<number, Error>
  /** What they said in it. */
  readonly payloadBytes: number
}

export interface Store {
  /** Where, for people: a file's path, a folder, a database without its password. */
  readonly where: string
  /**
   * Stores `bytes`, whole pcapng blocks, after everything stored before, or throws (rejects) having stored none of them. A store
   * that has to wait answers with a promise. One that has several places may answer with what it has not stored. One write at a time: the next is not started before this one settles. `bytes` must
   * not change until then, and are the caller's again afterwards. `seat`: whose they are, of those who record; a connection is of one. Default 0.
   * @throws TidegateError `write_failed` with the system's `errno`.
   */
  write(bytes: Uint8Array, seat?: number): void | Refusal | Promise<void> | Promise<Refusal | undefined>
  /** Nothing comes of this seat any more: its connections are over, whether or not they were seen to close. Its number may be another's then. */
  left?(seat: number): void
  /**
   * A write that waits is given up; no write after it. Resolves when what it still had to do is done, or `timeoutMs` is over.
   * Idempotent.
   */
  close(timeoutMs: number): void | Promise<void>
}

/** One that has a single place: it stores all of a write or nothing. */
export interface WholeStore extends Store {
  write(bytes: Uint8Array, seat?: number): void | Promise<void>
}

/** What a store may ask of whoever runs it. */
export interface StoreHost {
  /** A line for the gateway's log; stores say each trouble once when it begins and once when it is over. */
  log(level: 'info' | 'warn' | 'error', fields: Readonly<Record<string, unknown>>, message: string): void
  /** Shared memory that others read; see {@link STORE_FIGURE}. */
  readonly figures: Float64Array
}

/** Where each figure of a store is in its row. What a store does not have stays 0. */
export const STORE_FIGURE = {
  /** Files begun so far, and their bytes (before compression). */
  files: 0,
  fileBytes: 1,
  /** Files removed by retention. */
  removedFiles: 2,
  /** On disk, waiting for a sink that is not a file. */
  spooledBytes: 3,
  /** Records that such a sink has acknowledged, and deliveries that failed. */
  deliveredRecords: 4,
  deliveryFailures: 5,
  /** Write functions that threw or rejected. */
  functionFailures: 6,
} as const

export const STORE_FIGURES = Object.keys(STORE_FIGURE).length
