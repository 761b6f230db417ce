/** What the commands that read a recording have in common: opening it, showing progress, telling of damage. */

import type { DamageRecord } from '../core/codec/capture.js'
import { count } from '../core/inspect/figures.js'
import { TidegateError } from '../errors.js'
import { openRecording, type RecordingFile } from '../sources/file/recording.js'
import { type CommandIo, tell } from './output.js'
import { createProgress, type Progress } from './progress.js'

/** Opens FILE (`-` is stdin), runs `read`, closes it. Damage is for `read` to look at. */
export const withRecording = async (
  io: CommandIo,
  file: string,
  read: (recording: RecordingFile, progress: Progress) => Promise<void>,
): Promise<void> => {
  const progress = createProgress(io, 'reading')
  const recording = await openRecording(file, { stdin: io.stdin, onProgress: progress.update })
  try {
    await read(recording, progress)
  } finally {
    progress.stop()
    await recording.close()
  }
}

/**
 * As {@link withRecording}. What is before damage was read when it returns.
 * @throws TidegateError (rejects) `file_damaged` after `read`, if the file is damaged.
 */
export const readRecording: typeof withRecording = (io, file, read) =>
  withRecording(io, file, async (recording, progress) => {
    await read(recording, progress)
    if (recording.damage !== null) throw damageError(recording.name, recording.damage)
  })

/** Where and how a file stops following its format. */
export type CaptureDamage = Pick<DamageRecord, 'offset' | 'message' | 'torn'>

export const damageText = ({ offset, message, torn }: CaptureDamage): string =>
  torn ? `cut short at byte ${offset}: ${message}` : `damaged at byte ${offset}: ${message}`

const damageError = (name: string, damage: CaptureDamage): TidegateError => {
  const remedy = damage.torn ? `; 'tidegate verify --repair' cuts it there` : ''
  const text = `'${name}' is ${damageText(damage)}; what is before it was read${remedy}`
  return new TidegateError('file_damaged', text, { fault: 'usage', where: `${name}:${damage.offset}` })
}

/** Packets that were passed over, said once. */
export const tellIgnored = (io: CommandIo, { ignored }: RecordingFile): void => {
  if (ignored > 0) tell(io, `${count(ignored, 'packet')} passed over: not TCP, or not readable`)
}
