/**
 * Which files several inputs mean, in the order they are read: by the time of the first packet, then by name. Each file is
 * opened for a look, one at a time, and counted once however often it is named.
 */

import { stat } from 'node:fs/promises'
import type { CaptureFormat } from '../../core/codec/capture.js'
import { TidegateError } from '../../errors.js'
import { type Capture, openCapture } from './capture.js'
import { openFileChunks, unreadable } from './chunks.js'
import { candidates, isNamedAsRecording, presentPath } from './directory.js'
import { type Input, notAlone } from './inputs.js'

/** Enough for the first packet of any recording that Tidegate writes. */
const LOOK_CHUNK_BYTES = 64 * 1024
const LOOK_BYTES = 1024 * 1024

export interface PlannedFile {
  readonly path: string
  readonly bytes: number
  /** Null for a file that is no recording although its name says so: reading it tells what it is. */
  readonly format: CaptureFormat | null
}

export interface Plan {
  readonly files: readonly PlannedFile[]
  /** Files in directories that are no recordings. */
  readonly skipped: number
}

interface Looked extends PlannedFile {
  readonly firstNs: bigint | null
}

const firstTime = async (capture: Capture): Promise<bigint | null> => {
  for await (const batch of capture.batches()) {
    for (const record of batch) if (record.kind === 'packet' || record.kind === 'frame') return record.timeNs
    if (capture.bytesRead >= LOOK_BYTES) return null
  }
  return null
}

/** @throws TidegateError (rejects) `file_unreadable`, `format_unknown`. */
const lookInto = async (path: string): Promise<Pick<Looked, 'format' | 'firstNs'>> => {
  const capture = await openCapture(await openFileChunks(path, LOOK_CHUNK_BYTES))
  try {
    return { format: capture.format, firstNs: await firstTime(capture) }
  } finally {
    await capture.close()
  }
}

const isForeign = (error: unknown): boolean =>
  error instanceof TidegateError && error.code === 'format_unknown'

/** Of a file found in a directory: null if it is no recording, and is not named as one either. */
const lookAround = async (
  path: string,
  bytes: number,
): Promise<Pick<Looked, 'format' | 'firstNs'> | null> => {
  if (bytes === 0) return null
  try {
    return await lookInto(path)
  } catch (error) {
    if (!isForeign(error)) throw error
    return isNamedAsRecording(path) ? { format: null, firstNs: null } : null
  }
}

const inOrder = (one: Looked, other: Looked): number => {
  if (one.firstNs !== other.firstNs) {
    if (one.firstNs === null) return 1
    if (other.firstNs === null) return -1
    return one.firstNs < other.firstNs ? -1 : 1
  }
  return one.path < other.path ? -1 : 1
}

/**
 * @param inputs with the text each came from.
 * @throws TidegateError (rejects) `file_unreadable`, `format_unknown`, `usage`.
 */
export const planOf = async (
  inputs: readonly { readonly text: string; readonly input: Input }[],
): Promise<Plan> => {
  const seen = new Set<string>()
  const files: Looked[] = []
  let skipped = 0

  /** The file's length, or null where it was taken already. */
  const firstSight = async (path: string): Promise<number | null> => {
    const { dev, ino, size } = await stat(path, { bigint: true }).catch((error: unknown) => {
      throw unreadable(path, error)
    })
    const identity = `${dev}:${ino}`
    if (seen.has(identity)) return null
    seen.add(identity)
    return Number(size)
  }

  for (const { text, input } of inputs) {
    if (input.kind === 'stream') throw notAlone(text)
    if (input.kind === 'file') {
      const bytes = await firstSight(input.path)
      if (bytes !== null) files.push({ path: input.path, bytes, ...(await lookInto(input.path)) })
      continue
    }
    for await (const listed of candidates(input.path)) {
      const path = await presentPath(listed)
      if (path === null) continue
      const bytes = await firstSight(path)
      if (bytes === null) continue
      const looked = await lookAround(path, bytes)
      if (looked === null) skipped++
      else files.push({ path, bytes, ...looked })
    }
  }
  return { files: files.sort(inOrder), skipped }
}

/** Those of these files that are recordings, in the order {@link planOf} gives them. */
export const recordedOrder = async (paths: readonly string[]): Promise<readonly string[]> => {
  const files: Looked[] = []
  for (const path of paths) {
    const looked = await lookAround(path, 1)
    if (looked !== null) files.push({ path, bytes: 0, ...looked })
  }
  return files.sort(inOrder).map(({ path }) => path)
}
