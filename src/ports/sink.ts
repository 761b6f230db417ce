/** The sink port: where recorded bytes go. */

export interface Sink {
  /** Where, for people: a file's path. */
  readonly where: string
  /**
   * Stores `bytes` after everything stored before, or throws (rejects) having stored none of them. A sink that has to wait answers
   * with a promise. One write at a time: the next is not started before this one settles. `bytes` must not change until then.
   * @throws TidegateError `write_failed` with the system's `errno`.
   */
  write(bytes: Uint8Array): void | Promise<void>
  /** A write that waits is given up; no write after it. Idempotent. */
  close(): void
}
