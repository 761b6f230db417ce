/** What `record` says in the end. */

import type { RecordingCounters } from '../control/recording/recording.js'
import { count } from '../core/inspect/figures.js'
import { printableLine } from '../core/inspect/printable.js'
import { humanBytes } from './human.js'

type Recorded = Pick<
  RecordingCounters,
  'connections' | 'storedBytes' | 'lostBytes' | 'cutBytes' | 'unclosed' | 'files'
>

/**
 * `recorded 12 connections, 3.4 MiB (0 B lost) to redis.pcapng`.
 * @param where a file, or what many files are named by.
 */
export const recordedText = (
  { connections, storedBytes, lostBytes, cutBytes, unclosed, files }: Recorded,
  where: string,
): string => {
  const lost = [
    `${humanBytes(lostBytes)} lost`,
    cutBytes === 0 ? '' : `${humanBytes(cutBytes)} not recorded`,
    unclosed === 0 ? '' : `${count(unclosed, 'ending')} missing`,
  ].filter((part) => part !== '')
  const into = files === undefined ? '' : `${count(files, 'file')}, `
  return `recorded ${count(connections, 'connection')}, ${humanBytes(storedBytes)} (${lost.join(', ')}) to ${into}${printableLine(where)}`
}
