/** Sets of bytes: what one place of a pattern takes. 256 entries, 1 for a member. */

export type ByteSet = Readonly<Uint8Array>

export const BYTE_VALUES = 256

/** The bytes `from` to `to`, both included. */
export const rangeOf = (from: number, to: number): ByteSet =>
  new Uint8Array(BYTE_VALUES).fill(1, from, to + 1)

export const setOf = (...bytes: readonly number[]): ByteSet => {
  const set = new Uint8Array(BYTE_VALUES)
  for (const byte of bytes) set[byte] = 1
  return set
}

export const unionOf = (sets: readonly ByteSet[]): ByteSet => {
  const union = new Uint8Array(BYTE_VALUES)
  for (const set of sets) for (let byte = 0; byte < BYTE_VALUES; byte += 1) if (set[byte]) union[byte] = 1
  return union
}

export const inverseOf = (set: ByteSet): ByteSet => Uint8Array.from(set, (member) => 1 - member)

export const isEmpty = (set: ByteSet): boolean => !set.includes(1)

const UPPER_A = 0x41
const UPPER_Z = 0x5a
const CASE_BIT = 0x20

/** With each ASCII letter its other case. */
export const foldedOf = (set: ByteSet): ByteSet => {
  const folded = Uint8Array.from(set)
  for (let upper = UPPER_A; upper <= UPPER_Z; upper += 1) {
    const either = set[upper] || set[upper | CASE_BIT] ? 1 : 0
    folded[upper] = either
    folded[upper | CASE_BIT] = either
  }
  return folded
}

/** `\d` */
export const DIGITS = rangeOf(0x30, 0x39)
/** `\w`: ASCII letters, digits and `_`. */
export const WORD = unionOf([DIGITS, rangeOf(UPPER_A, UPPER_Z), rangeOf(0x61, 0x7a), setOf(0x5f)])
/** `\s`: tab, line feed, vertical tab, form feed, carriage return, space. */
export const SPACES = unionOf([rangeOf(0x09, 0x0d), setOf(0x20)])
/** `.` */
export const ANY_BUT_LINE_FEED = inverseOf(setOf(0x0a))

/**
 * Divides the 256 values into classes that no set of `sets` tells apart: `classOf[byte]`, and how many there are. What
 * is kept per byte shrinks to what is kept per class, often a tenth.
 */
export const classesOf = (
  sets: Iterable<ByteSet>,
): { readonly classOf: Uint8Array; readonly count: number } => {
  let classOf = new Uint8Array(BYTE_VALUES)
  let count = 1
  for (const set of sets) {
    const renamed = new Map<number, number>()
    const finer = new Uint8Array(BYTE_VALUES)
    for (let byte = 0; byte < BYTE_VALUES; byte += 1) {
      const pair = (classOf[byte] ?? 0) * 2 + (set[byte] ?? 0)
      const name = renamed.get(pair) ?? renamed.size
      renamed.set(pair, name)
      finer[byte] = name
    }
    classOf = finer
    count = renamed.size
  }
  return { classOf, count }
}
