/**
 * The figures of one recorder, in memory that another thread can read while they change. Each figure is a float of its
 * own, so a reader never sees half of one; two figures need not be of the same moment.
 */

/** Where each figure is in a row. */
export const FIGURE = {
  connections: 0,
  seenBytes: 1,
  storedBytes: 2,
  lostBytes: 3,
  /** Of all blocks put into slabs, and of those the sink has answered for. */
  blockBytes: 4,
  answeredBytes: 5,
  writes: 6,
  writeFailures: 7,
  holds: 8,
  /** Closes given up, and those that wait for the sink to work again. */
  unclosed: 9,
  waitingCloses: 10,
  /** Closes the sink has taken. */
  storedCloses: 11,
  /** Left out because the config says so. */
  cutBytes: 12,
} as const

export const FIGURES = Object.keys(FIGURE).length

/** Adds to a figure; only the thread whose row it is may. */
export const count = (row: Float64Array, figure: number, amount: number): void => {
  row[figure] = (row[figure] ?? 0) + amount
}

export const figure = (row: Float64Array, at: number): number => row[at] ?? 0

/** Adds a row to a sum of rows. */
export const addRow = (sum: Float64Array, row: Float64Array): void => {
  for (let at = 0; at < FIGURES; at++) count(sum, at, figure(row, at))
}

/** What a row, or a sum of them, says to people. */
export const readCounters = (row: Float64Array) => ({
  connections: figure(row, FIGURE.connections),
  seenBytes: figure(row, FIGURE.seenBytes),
  storedBytes: figure(row, FIGURE.storedBytes),
  lostBytes: figure(row, FIGURE.lostBytes),
  cutBytes: figure(row, FIGURE.cutBytes),
  bufferedBytes: figure(row, FIGURE.blockBytes) - figure(row, FIGURE.answeredBytes),
  writes: figure(row, FIGURE.writes),
  writeFailures: figure(row, FIGURE.writeFailures),
  holds: figure(row, FIGURE.holds),
  unclosed: figure(row, FIGURE.unclosed) + figure(row, FIGURE.waitingCloses),
})
