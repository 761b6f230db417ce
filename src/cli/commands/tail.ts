import { Command, Option } from 'commander'
import { parseSize } from '../../config/units.js'
import { CLOSE_REASONS } from '../../core/close-reason.js'
import { checkCidr } from '../../core/route/cidr.js'
import { messageOf } from '../../errors.js'
import { checkFollowable } from '../../sources/file/follow.js'
import { usageError } from '../failure.js'
import { type CommandIo, processIo, withStdout } from '../output.js'
import { coloursFor } from '../table.js'
import { compileFilter } from '../tail/filter.js'
import { jsonTail, textTail } from '../tail/lines.js'
import { watch } from '../tail/watch.js'

const HELP = `
INPUT is a pcapng recording or a directory of them, at any depth, that a gateway writes right now. Each connection is one
line when it is over: when that was, its number in the gateway's log, who talked to whom, through which listener, bytes
each way, how long, and why it ended. New files are taken up as they come. Ends with Ctrl-C.

Examples:
  tidegate tail redis.pcapng
  tidegate tail recordings/ --listener redis --min-size 1MiB
  tidegate tail recordings/ --client 10.0.0.0/8 --reason upstream_reset --json | jq .client
`

const REASONS = ['fin', 'reset', ...Object.keys(CLOSE_REASONS)]

interface Flags {
  readonly client?: string
  readonly listener?: string
  readonly minSize?: number
  readonly reason?: string
  readonly fromStart?: true
  readonly open?: true
  readonly json?: true
}

const named =
  <T>(flag: string, parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text)
    } catch (thrown) {
      throw usageError(`${flag}: ${messageOf(thrown)}`)
    }
  }

const cidr = (text: string): string => {
  checkCidr(text)
  return text
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** The first one is a wish to end; a second one has its usual way. */
const interrupted = (): Promise<unknown> =>
  new Promise((resolve) => {
    for (const signal of STOP_SIGNALS) process.once(signal, resolve)
  })

/** @param until resolves when it is time to stop. */
export const tailCommand = (
  io: CommandIo = processIo(),
  until: () => Promise<unknown> = interrupted,
): Command =>
  new Command('tail')
    .description('show conversations as they are recorded')
    .argument('<INPUT...>', 'recordings that are being written, or directories of them')
    .addOption(
      new Option('--client <cidr>', 'only clients in this network').argParser(named('--client', cidr)),
    )
    .option('--listener <name>', 'only connections through this listener')
    .addOption(
      new Option('--min-size <size>', 'only connections that relayed at least so much, both ways').argParser(
        named('--min-size', parseSize),
      ),
    )
    .addOption(new Option('--reason <reason>', 'only connections that ended like this').choices(REASONS))
    .option('--from-start', 'begin with what is there already')
    .option('--open', 'show also when a connection begins')
    .option('--json', 'JSON Lines on stdout')
    .addHelpText('after', HELP)
    .action(async (paths: readonly string[], flags: Flags) => {
      const { client, listener, minSize, reason, fromStart = false, open = false, json } = flags
      const filter = compileFilter({
        ...(client === undefined ? {} : { client }),
        ...(listener === undefined ? {} : { listener }),
        ...(minSize === undefined ? {} : { minBytes: minSize }),
        ...(reason === undefined ? {} : { reason }),
      })
      for (const path of paths) await checkFollowable(path)
      const lines = json ? jsonTail : textTail(coloursFor(io.stdout))
      const stop = until()
      await withStdout(io, (output) =>
        watch(io, output, { paths, fromStart, opens: open, filter, lines }, stop),
      )
    })
