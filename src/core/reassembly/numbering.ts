/** Numbers for the connections of a recording, in order of appearance: one row for all its files and formats. */

export type Numbering = () => number

/** The first is 1. */
export const createNumbering = (): Numbering => {
  let count = 0
  return () => {
    count += 1
    return count
  }
}
