/** `inspect FILE --connection N`: one conversation, as it happened. */

import type { ConversationEvent } from '../../core/conversation.js'
import type { Direction } from '../../core/direction.js'
import { count, isoTime } from '../../core/inspect/figures.js'
import { eventJson } from '../../core/inspect/json.js'
import { printableLine } from '../../core/inspect/printable.js'
import { headerLine, hexLines, openingLine, textLines } from '../../core/inspect/render.js'
import { TidegateError } from '../../errors.js'
import type { RecordingFile } from '../../sources/file/recording.js'
import { base64 } from '../base64.js'
import { EXIT } from '../failure.js'
import { type CommandIo, type Output, tell } from '../output.js'
import { damageText, tellIgnored } from '../reading.js'

/** Which conversation to show, and how. */
export type ConversationWork =
  | {
      readonly kind: 'conversation'
      readonly connection: number
      readonly form: 'text' | 'hex' | 'json'
      readonly direction?: Direction
    }
  | { readonly kind: 'raw'; readonly connection: number; readonly direction: Direction }

/** Gives one connection's events to `show`, in order, and stops reading after its end. */
const follow = async (
  recording: RecordingFile,
  connection: number,
  show: (event: ConversationEvent) => Promise<void> | undefined,
): Promise<void> => {
  let found = false
  let connections = 0
  for await (const batch of recording.batches())
    for (const event of batch) {
      if (event.kind === 'open') connections++
      if (event.connection !== connection) continue
      found = true
      await show(event)
      if (event.kind === 'close') return
    }
  if (!found) throw notFound(recording, connection, connections)
}

const notFound = (
  { name, files, damage }: RecordingFile,
  connection: number,
  connections: number,
): TidegateError => {
  const range = connections === 0 ? 'none' : connections === 1 ? 'only 1' : `1 to ${connections}`
  const subject = files.length === 1 ? 'it' : `'${damage?.file}'`
  const before = damage === null ? '' : `, before ${subject} is ${damageText(damage)}`
  return new TidegateError(
    'not_found',
    `'${name}' has no connection ${connection}: it has ${range}${before}`,
    {
      fault: 'usage',
      where: name,
    },
  )
}

const isOtherWay = (event: ConversationEvent, direction: Direction | undefined): boolean =>
  direction !== undefined && 'direction' in event && event.direction !== direction

const jsonShower =
  (output: Output) =>
  (event: ConversationEvent): Promise<void> | undefined =>
    output.write(`${JSON.stringify(eventJson(event, base64))}\n`)

const textShower = (output: Output, form: 'text' | 'hex') => {
  let startNs = 0n
  return async (event: ConversationEvent): Promise<void> => {
    if (event.kind === 'open') {
      startNs = event.timeNs
      await output.write(openingLine(event, isoTime(startNs)))
    }
    await output.write(headerLine(event, startNs) ?? '')
    if (event.kind !== 'data') return
    const lines = form === 'text' ? textLines(event.bytes) : hexLines(event.bytes, event.at)
    for (const part of lines) await output.write(part)
  }
}

/** The exact bytes of one direction; what is missing is told on stderr and makes the exit code 1. */
const showRaw = async (
  io: CommandIo,
  recording: RecordingFile,
  output: Output,
  { connection, direction }: { readonly connection: number; readonly direction: Direction },
): Promise<void> => {
  let holes = false
  await follow(recording, connection, (event) => {
    if (isOtherWay(event, direction)) return undefined
    if (event.kind === 'data') return output.write(event.bytes)
    if (event.kind === 'gap') {
      holes = true
      const why = printableLine(event.why ?? 'no reason recorded')
      tell(
        io,
        `connection ${connection} ${direction}: ${count(event.length, 'byte')} ${event.cut ? 'not recorded' : 'missing'} at ${event.at}: ${why}`,
      )
    }
    return undefined
  })
  if (holes) io.setExitCode(EXIT.failed)
}

export const showConversation = async (
  io: CommandIo,
  recording: RecordingFile,
  output: Output,
  work: ConversationWork,
): Promise<void> => {
  if (work.kind === 'raw') return showRaw(io, recording, output, work)
  const show = work.form === 'json' ? jsonShower(output) : textShower(output, work.form)
  await follow(recording, work.connection, (event) =>
    isOtherWay(event, work.direction) ? undefined : show(event),
  )
  tellIgnored(io, recording)
}
