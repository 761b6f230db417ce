/** A process that has no descriptor left: for engines, which must survive that. */

import { closeSync, openSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'

/** Beyond this, using every descriptor up would take too long. */
const MOST_DESCRIPTORS = 100_000

const limitOfDescriptors = (): number =>
  process.platform === 'linux'
    ? Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
    : Number.POSITIVE_INFINITY

/** Where the limit is unknown (NaN, too), it is too high. */
export const canUseUpDescriptors = limitOfDescriptors() <= MOST_DESCRIPTORS

/** For the title of a block of tests. */
export const whyNotUsedUp = canUseUpDescriptors ? '' : ' (skipped: the limit is unknown or too high to reach)'

/** Takes every descriptor but `spare`; they are the caller's to close. */
export const useUpDescriptors = (spare: number): number[] => {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'EMFILE' })
  }
  for (const fd of taken.splice(0, spare)) closeSync(fd)
  return taken
}
