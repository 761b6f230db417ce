/**
 * Which files several inputs mean, in the order they are read: those of one run of a gateway by their number, others by the
 * time of the first packet, then by name. Each file is
 * opened for a look, one at a time, and counted once however often it is named.
 */

import { stat } from 'node:fs/promises'
import type { CaptureFormat } from '../../core/codec/capture.js'
import { fileNumberOf, recordingOf } from '../../core/record/annotation.js'
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

/** Where a file belongs. */
interface Place {
  readonly firstNs: bigint | null
  /** The run of a gateway that wrote it, and which of its files it is; null where it does not say. */
  readonly recording: string | null
  readonly number: number | null
}

interface Looked extends PlannedFile, Place {}

const NOWHERE: Place = { firstNs: null, recording: null, number: null }

const placeIn = async (capture: Capture): Promise<Place> => {
  let place = NOWHERE
  for await (const batch of capture.batches()) {
    for (const record of batch) {
      if (record.kind === 'section' && place === NOWHERE)
        place = {
          firstNs: null,
          recording: recordingOf(record.comments),
          number: fileNumberOf(record.comments),
        }
      if (record.kind === 'packet' || record.kind === 'frame') return { ...place, firstNs: record.timeNs }
    }
    if (capture.bytesRead >= LOOK_BYTES) return place
  }
  return place
}

/** @throws TidegateError (rejects) `file_unreadable`, `format_unknown`. */
const lookInto = async (path: string): Promise<Place & Pick<Looked, 'format'>> => {
  const capture = await openCapture(await openFileChunks(path, LOOK_CHUNK_BYTES))
  try {
    return { format: capture.format, ...(await placeIn(capture)) }
  } finally {
    await capture.close()
  }
}

const isForeign = (error: unknown): boolean =>
  error instanceof TidegateError && error.code === 'format_unknown'

/** Of a file found in a directory: null if it is no recording, and is not named as one either. */
const lookAround = async (path: string, bytes: number): Promise<(Place & Pick<Looked, 'format'>) | null> => {
  if (bytes === 0) return null
  try {
    return await lookInto(path)
  } catch (error) {
    if (!isForeign(error)) throw error
    return isNamedAsRecording(path) ? { format: null, ...NOWHERE } : null
  }
}

const compareTimes = (one: bigint | null, other: bigint | null): number => {
  if (one === other) return 0
  if (one === null) return 1
  if (other === null) return -1
  return one < other ? -1 : 1
}

/**
 * Files of one run stand together, in their own order: packets of several threads are not in order of time, so the first of one
 * file may be older than that of the file before. The run stands where its earliest file would.
 */
const sorted = (files: readonly Looked[]): readonly Looked[] => {
  const beginnings = new Map<string, bigint | null>()
  const numbered = ({ recording, number }: Looked): string | null => (number === null ? null : recording)
  for (const file of files) {
    const run = numbered(file)
    if (run === null) continue
    const known = beginnings.get(run)
    if (known === undefined || compareTimes(file.firstNs, known) < 0) beginnings.set(run, file.firstNs)
  }
  const beginningOf = (file: Looked): bigint | null => beginnings.get(numbered(file) ?? '') ?? file.firstNs
  return [...files].sort((one, other) => {
    const byRun = compareTimes(beginningOf(one), beginningOf(other))
    if (byRun !== 0) return byRun
    const [run, otherRun] = [numbered(one) ?? '', numbered(other) ?? '']
    if (run !== otherRun) return run < otherRun ? -1 : 1
    if (run !== '') return (one.number ?? 0) - (other.number ?? 0)
    return one.path < other.path ? -1 : 1
  })
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
  return { files: sorted(files), skipped }
}

/** As {@link lookAround}, also of one that has just been compressed; null for what cannot be read as well. */
const glance = async (path: string): Promise<(Place & Pick<Looked, 'format'>) | null> => {
  try {
    return await lookAround(path, 1)
  } catch {
    const now = await presentPath(path).catch(() => null)
    return now === null || now === path ? null : lookAround(now, 1).catch(() => null)
  }
}

/** These files in the order {@link planOf} gives them; those that are no recordings, or cannot be read, come last. */
export const recordedOrder = async (paths: readonly string[]): Promise<readonly string[]> => {
  const files: Looked[] = []
  for (const path of paths) {
    const looked = await glance(path)
    files.push({ path, bytes: 0, ...(looked ?? { format: null, ...NOWHERE }) })
  }
  return sorted(files).map(({ path }) => path)
}
