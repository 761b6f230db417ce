/** How a spool's files are named: `0000000001.pcapng`, counted up, so that their order is that of what they hold. */

import { join } from 'node:path'

export interface LeftSegment {
  readonly number: number
  readonly bytes: number
}

const DIGITS = 10
const NAME = /^(\d{10})\.pcapng$/

export const segmentPath = (dir: string, number: number): string =>
  join(dir, `${String(number).padStart(DIGITS, '0')}.pcapng`)

/** Null for any other file. */
export const segmentNumber = (name: string): number | null => {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** Where a segment goes that cannot be read to its end: for a person to look at. */
export const damagedPath = (dir: string, number: number): string => `${segmentPath(dir, number)}.damaged`
