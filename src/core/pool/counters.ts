/** What a pool of connections has now, and has done so far. */

export interface IdlePoolCounters {
  readonly idle: number
  readonly inUse: number
  readonly dialling: number
  /** Who waits for a connection now, also for one that is being dialled. */
  readonly waiting: number
  /** Connections dialled. */
  readonly created: number
  /** How often one was taken. */
  readonly taken: number
  /** How often one was taken that had been used before. */
  readonly reused: number
  /** Connections that were dead when looked at, or died while idle. */
  readonly discarded: number
  /** Connections closed for their age, their idle time or their uses. */
  readonly expired: number
  /** Idle connections closed because their descriptor or slot was needed. */
  readonly evicted: number
  readonly dialFailures: number
}

export const newTotals = () => ({
  created: 0,
  taken: 0,
  reused: 0,
  discarded: 0,
  expired: 0,
  evicted: 0,
  dialFailures: 0,
})
