/**
 * What the two ends of a spool tell each other, as plain data: they may be on different threads.
 *
 *     SpoolStore ── SpoolNews ──▶ Delivery        a segment has grown, is complete, or there will be no more
 *     SpoolStore ◀── SpoolOrder ── Delivery       a segment is delivered and removed, or may be completed early
 */

export type SpoolNews =
  /** Everything before `end` is whole blocks, and stays. */
  | { readonly kind: 'grown'; readonly segment: number; readonly end: number }
  /** It will not grow any more. */
  | { readonly kind: 'sealed'; readonly segment: number; readonly end: number }
  /** No segment comes after those that are known. */
  | { readonly kind: 'over' }

export type SpoolOrder =
  | { readonly kind: 'removed'; readonly segment: number }
  /** It is delivered up to `end`: it may be sealed if that is still its end. */
  | { readonly kind: 'caughtUp'; readonly segment: number; readonly end: number }
