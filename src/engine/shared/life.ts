/** What can become of a conn. */

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
