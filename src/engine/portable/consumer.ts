/** Who takes the bytes of a linked conn, and what can become of a conn. */

export interface Consumer {
  take(chunk: Uint8Array): void
  /** The other side's FIN, after everything before it has been taken. */
  sourceEnded(): void
  /** The socket is broken: reset, or torn down by someone else. */
  broken(error: Error | null): void
}

export type Life =
  | { readonly kind: 'open' }
  /** Both directions ended in order. */
  | { readonly kind: 'finished' }
  /** The other side, or the way to it, failed. */
  | { readonly kind: 'broken'; readonly error: Error | null }
  | { readonly kind: 'closed_here' }

export const OPEN: Life = { kind: 'open' }
export const FINISHED: Life = { kind: 'finished' }
export const CLOSED_HERE: Life = { kind: 'closed_here' }
