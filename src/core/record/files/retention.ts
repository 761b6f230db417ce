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

/** Those to remove, the oldest first, as `closed` has to be. */
export const surplus = (
  closed: readonly ClosedFile[],
  { files, bytes }: CurrentFiles,
  { keepBytes, keepMs, keepFiles }: RetentionLimits,
  nowMs: number,
): readonly ClosedFile[] => {
  let restFiles = files + closed.length
  let restBytes = closed.reduce((sum, file) => sum + file.bytes, bytes)
  const goes = (file: ClosedFile): boolean =>
    (keepFiles !== null && restFiles > keepFiles) ||
    (keepBytes !== null && restBytes > keepBytes) ||
    (keepMs !== null && file.closedMs + keepMs <= nowMs)
  const removed: ClosedFile[] = []
  for (const file of closed) {
    if (!goes(file)) break
    removed.push(file)
    restFiles--
    restBytes -= file.bytes
  }
  return removed
}

/** Where it belongs among `closed`, the oldest first. */
export const insertClosed = (closed: ClosedFile[], file: ClosedFile): void => {
  let index = closed.length
  while (index > 0 && (closed[index - 1]?.closedMs ?? 0) > file.closedMs) index--
  closed.splice(index, 0, file)
}
