/** Who takes the bytes of a linked conn. */

export interface Consumer {
  take(chunk: Uint8Array): void
  /** The other side's FIN, after everything before it has been taken. */
  sourceEnded(): void
  /** The socket is broken: reset, or torn down by someone else. */
  broken(error: Error | null): void
}
