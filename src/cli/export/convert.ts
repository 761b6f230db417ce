/** Runs a recording through an encoder, and tells what became of it. */

import type { ConversationEvent, GapEvent } from '../../core/conversation.js'
import type { ConversationEncoder, RecordingEncoder } from '../../core/convert/encoder.js'
import { NOTHING } from '../../core/convert/encoder.js'
import { count } from '../../core/inspect/figures.js'
import { printableLine } from '../../core/inspect/printable.js'
import type { RecordingFile } from '../../sources/file/recording.js'
import { humanBytes } from '../human.js'
import { type CommandIo, type Output, tell } from '../output.js'
import type { Progress } from '../progress.js'
import { tellIgnored } from '../reading.js'

/** Holes told one by one; a recording with more has a trouble that `verify` tells better. */
const MAX_TOLD_HOLES = 10

const holeText = ({ connection, direction, at, length, why }: GapEvent): string =>
  `hole: connection ${connection} ${direction}, ${count(length, 'byte')} missing at ${at}: ${printableLine(why ?? 'no reason recorded')}`

/** Counts what goes by, and tells of the first holes as they come. */
const createWitness = (io: CommandIo, progress: Progress) => {
  let connections = 0
  let bytes = 0
  let holes = 0
  let cutBytes = 0
  const see = (event: ConversationEvent): void => {
    if (event.kind === 'open') connections++
    else if (event.kind === 'data') bytes += event.bytes.length
    else if (event.kind === 'gap' && event.cut) cutBytes += event.length
    else if (event.kind === 'gap' && ++holes <= MAX_TOLD_HOLES) {
      progress.hide()
      tell(io, holeText(event))
    }
  }
  const tellAll = (): void => {
    if (holes > MAX_TOLD_HOLES)
      tell(io, `and ${holes - MAX_TOLD_HOLES} more holes: 'tidegate verify' lists them all`)
    const cut = cutBytes === 0 ? '' : `, ${humanBytes(cutBytes)} were not recorded`
    tell(io, `exported ${count(connections, 'connection')}, ${humanBytes(bytes)}${cut}`)
  }
  return { see, tellAll }
}

export const convert = async (
  io: CommandIo,
  recording: RecordingFile,
  progress: Progress,
  encoder: ConversationEncoder | RecordingEncoder,
  output: Output,
): Promise<void> => {
  const witness = createWitness(io, progress)
  const seer = 'see' in encoder ? encoder : null
  for (const piece of encoder.start()) await output.write(piece)
  for await (const batch of recording.batches(seer?.see)) {
    for (const event of batch) {
      witness.see(event)
      for (const piece of encoder.push(event)) await output.write(piece)
    }
    for (const piece of seer?.settle() ?? NOTHING) await output.write(piece)
  }
  await output.flush()
  progress.stop()
  witness.tellAll()
  tellIgnored(io, recording)
}
