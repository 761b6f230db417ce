/** Which first bytes of a client wake a service. */

/** `more`: too few to know. */
export type GuardVerdict = 'yes' | 'no' | 'more'

const beginsAlike = (bytes: Uint8Array, start: Uint8Array): boolean => {
  const length = Math.min(bytes.length, start.length)
  for (let at = 0; at < length; at++) if (bytes[at] !== start[at]) return false
  return true
}

/** `starts`: any of them will do; none: anything will. */
export const judgeFirstBytes = (bytes: Uint8Array, starts: readonly Uint8Array[]): GuardVerdict => {
  if (bytes.length === 0) return 'more'
  if (starts.length === 0) return 'yes'
  const alike = starts.filter((start) => beginsAlike(bytes, start))
  if (alike.length === 0) return 'no'
  return alike.some((start) => start.length <= bytes.length) ? 'yes' : 'more'
}
