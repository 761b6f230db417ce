/** Which of the closed files are too many. */

export interface ClosedFile {
  readonly path: string
  /** On disk. */
  readonly bytes: number
  /** Since 1970. */
  readonly closedMs: number
}

/** Null: no limit. */
export interface RetentionLimits {
  readonly keepBytes: number | null
  readonly keepMs: number | null
  readonly keepFiles: number | null
}

/** What else counts, but is never removed: the files that are being written. */
export interface CurrentFiles {
  readonly files: number
  readonly bytes: number
}

/** Those to remove, the oldest first. */
export const surplus = (
  closed: readonly ClosedFile[],
  { files, bytes }: CurrentFiles,
  { keepBytes, keepMs, keepFiles }: RetentionLimits,
  nowMs: number,
): readonly ClosedFile[] => {
  const oldestFirst = [...closed].sort((a, b) => a.closedMs - b.closedMs || (a.path < b.path ? -1 : 1))
  let restFiles = files + oldestFirst.length
  let restBytes = oldestFirst.reduce((sum, file) => sum + file.bytes, bytes)
  const goes = (file: ClosedFile): boolean =>
    (keepFiles !== null && restFiles > keepFiles) ||
    (keepBytes !== null && restBytes > keepBytes) ||
    (keepMs !== null && file.closedMs + keepMs <= nowMs)
  const removed: ClosedFile[] = []
  for (const file of oldestFirst) {
    if (!goes(file)) break
    removed.push(file)
    restFiles--
    restBytes -= file.bytes
  }
  return removed
}
