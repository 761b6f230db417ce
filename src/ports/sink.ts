/** The sink port: where recorded bytes go. */

export interface Sink {
  /** Where, for people: a file's path. */
  readonly where: string
  /**
   * Stores `bytes` after everything stored before, or rejects having stored none of them. One write at a time:
   * the next is not started before this one settles. `bytes` must not change until then.
   * @throws TidegateError (rejects) `write_failed` with the system's `errno`.
   */
  write(bytes: Uint8Array): Promise<void>
  /** Releases what it holds. Idempotent; no write after it. */
  close(): Promise<void>
}
