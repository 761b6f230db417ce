/** What the commands that read a recording have in common: opening it, showing progress, telling of damage. */

import { count } from '../core/inspect/figures.js'
import { messageOf, TidegateError } from '../errors.js'
import type { FileDamage } from '../sources/file/capture.js'
import { openRecording, type RecordingFile } from '../sources/file/recording.js'
import { type CommandIo, tell } from './output.js'
import { createProgress, type Progress } from './progress.js'

/** What the argument of each command that reads is called, and what it takes. */
export const FILES_ARGUMENT = ['<FILE...>', "recordings, directories of them, or '-' for stdin"] as const

export const FILES_HELP = `
FILE is a pcapng, pcap or gogetway recording, compressed with gzip or zstd or not; '-' reads stdin. A directory means the
recordings in it, at any depth. Several files are read as one recording, in the order they were recorded.
'postgres://user@host/database' is what was recorded into a database.
`.trim()

/** Opens FILES (`-` is stdin), runs `read`, closes them. Damage is for `read` to look at. */
export const withRecording = async (
  io: CommandIo,
  files: readonly string[],
  read: (recording: RecordingFile, progress: Progress) => Promise<void>,
): Promise<void> => {
  const progress = createProgress(io, 'reading')
  const recording = await openRecording(files, { stdin: io.stdin, onProgress: progress.update })
  try {
    await read(recording, progress)
  } finally {
    progress.stop()
    await recording.close()
  }
}

/**
 * As {@link withRecording}. What is before damage, and the files after it, were read when it returns.
 * @throws TidegateError (rejects) `file_damaged` after `read`, if a file is damaged.
 */
export const readRecording: typeof withRecording = (io, files, read) =>
  withRecording(io, files, async (recording, progress) => {
    await read(recording, progress)
    throwAll(io, recording.damages.map(damageError))
  })

/** Throws the last one, having told of those before it. */
export const throwAll = (io: CommandIo, errors: readonly unknown[]): void => {
  if (errors.length === 0) return
  for (const error of errors.slice(0, -1)) tell(io, messageOf(error))
  throw errors.at(-1)
}

/** Where and how a file stops following its format. */
export type CaptureDamage = Pick<FileDamage, 'offset' | 'message' | 'torn'>

export const damageText = ({ offset, message, torn }: CaptureDamage): string =>
  torn ? `cut short at byte ${offset}: ${message}` : `damaged at byte ${offset}: ${message}`

const damageError = (damage: FileDamage): TidegateError => {
  const { file, offset, torn, compressed } = damage
  const remedy = torn && !compressed ? `; 'tidegate verify --repair' cuts it there` : ''
  const text = `'${file}' is ${damageText(damage)}; what is before it was read${remedy}`
  return new TidegateError('file_damaged', text, { fault: 'usage', where: `${file}:${offset}` })
}

/** Packets and files that were passed over, said once. */
export const tellIgnored = (io: CommandIo, { ignored, skipped }: RecordingFile): void => {
  if (ignored > 0) tell(io, `${count(ignored, 'packet')} passed over: not TCP, or not readable`)
  if (skipped > 0) tell(io, `${count(skipped, 'file')} passed over: no recordings`)
}
