import { Command, Option } from 'commander'
import { CLOSE_REASONS } from '../../core/close-reason.js'
import type { Direction } from '../../core/direction.js'
import { usageError } from '../failure.js'
import { type ConversationWork, showConversation } from '../inspect/conversation.js'
import { listConnections } from '../inspect/list.js'
import { type CommandIo, processIo, withStdout } from '../output.js'
import { FILES_ARGUMENT, FILES_HELP, readRecording } from '../reading.js'

const HELP = `
${FILES_HELP}

Without --connection: one row per connection, in the order they end; those that the file leaves open come last.
With it: what the two sides said, in order. The text form escapes control characters, hex is a classic dump, raw
writes the exact bytes of one direction to stdout.

Examples:
  tidegate inspect redis.pcapng
  tidegate inspect redis.pcapng --reason client_reset --json | jq .client
  tidegate inspect recordings/ --reason client_reset
  tidegate inspect redis.pcapng --connection 3
  tidegate inspect redis.pcapng --connection 3 --as hex | less
  tidegate inspect upload.pcapng --connection 1 --as raw --direction upstream > request.bin
`

const FORMS = ['text', 'hex', 'raw'] as const
const DIRECTIONS = ['upstream', 'downstream'] as const
/** Beside the close reasons: connections that the file leaves open, those that go on in another file, and those without a gateway's reason. */
const ENDS = ['open', 'continued', 'fin', 'reset', ...Object.keys(CLOSE_REASONS)]

type Form = (typeof FORMS)[number]

interface Flags {
  readonly connection?: number
  readonly as?: Form
  readonly direction?: Direction
  readonly client?: string
  readonly reason?: string
  readonly json?: true
}

const parseNumber = (text: string): number => {
  if (!/^[1-9]\d{0,14}$/.test(text))
    throw usageError(`--connection: '${text}' is not a connection's number; expected 1, 2, 3, …`)
  return Number(text)
}

/** What one run does, its flags checked against each other. */
type Work =
  | { readonly kind: 'list'; readonly client?: string; readonly reason?: string; readonly json: boolean }
  | ConversationWork

const workOf = ({ connection, as, direction, client, reason, json }: Flags): Work => {
  if (connection === undefined) {
    const stray = as !== undefined ? '--as' : direction !== undefined ? '--direction' : undefined
    if (stray !== undefined) throw usageError(`${stray} needs --connection: which conversation to show`)
    return {
      kind: 'list',
      json: json ?? false,
      ...(client === undefined ? {} : { client }),
      ...(reason === undefined ? {} : { reason }),
    }
  }
  const stray = client !== undefined ? '--client' : reason !== undefined ? '--reason' : undefined
  if (stray !== undefined)
    throw usageError(`${stray} chooses rows of the list; it does not go with --connection`)
  if (json && as !== undefined) throw usageError(`--json and --as ${as} exclude each other`)
  if (as !== 'raw') {
    const form = json ? 'json' : (as ?? 'text')
    return { kind: 'conversation', connection, form, ...(direction === undefined ? {} : { direction }) }
  }
  if (direction === undefined)
    throw usageError('--as raw needs --direction upstream or --direction downstream: one stream at a time')
  return { kind: 'raw', connection, direction }
}

export const inspectCommand = (io: CommandIo = processIo()): Command =>
  new Command('inspect')
    .description('list the connections of a recording, or show one conversation')
    .argument(...FILES_ARGUMENT)
    .addOption(
      new Option('-c, --connection <n>', 'show the conversation with this number').argParser(parseNumber),
    )
    .addOption(new Option('--as <form>', 'how to show its bytes (default: text)').choices(FORMS))
    .addOption(new Option('--direction <direction>', 'only what was sent this way').choices(DIRECTIONS))
    .option('--client <text>', 'list only connections whose client address contains this')
    .addOption(new Option('--reason <reason>', 'list only connections that ended like this').choices(ENDS))
    .option('--json', 'JSON Lines on stdout: one object per connection, or per event of the conversation')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], flags: Flags) => {
      const work = workOf(flags)
      await readRecording(io, files, (recording, progress) =>
        withStdout(io, (output) => {
          if (work.kind === 'list') return listConnections(io, recording, output, progress, work)
          return showConversation(io, recording, output, work)
        }),
      )
    })
