/** What one plane gets of a number of things that all of them share. */

export interface Share {
  /** From 0. */
  readonly index: number
  /** 0: nobody gets any. */
  readonly of: number
}

export const ALL: Share = { index: 0, of: 1 }
export const NONE: Share = { index: 0, of: 0 }

/** Adds up to `count` over all of them. */
export const partOf = (count: number, { index, of }: Share): number =>
  of === 0 ? 0 : Math.floor(count / of) + (index < count % of ? 1 : 0)
