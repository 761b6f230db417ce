import { Command } from 'commander'
import { safeUrl } from '../../core/safe-url.js'
import { addressArgument, endpointListArgument } from '../checked-option.js'
import { usageError } from '../failure.js'
import { parseFlags } from '../flag-config.js'
import { addRelayOptions, configOfFlags, type RelayFlags } from '../options.js'
import { refuseRecordFlags } from '../record-flags.js'
import { addRecordOptions, type RecordFlags } from '../record-options.js'
import { recordedText } from '../recorded.js'
import { runGateway } from '../run.js'

const HELP = `
Relays as 'tidegate relay' does, and writes every byte to a pcapng file that Wireshark opens, no root needed.
Read it with 'tidegate inspect', check it with 'tidegate verify'.

SIGUSR2 prints listeners, upstreams and connections by state on stderr (not on Windows).

Examples:
  tidegate record 127.0.0.1:6380 127.0.0.1:6379 --out redis.pcapng
  tidegate record 127.0.0.1:15432 db.internal:5432 --out db.pcapng --overload drop
  tidegate record :6380 127.0.0.1:6379 --out recordings/ --rotate-every 1h --compress gzip --keep-age 7d --min-free 1GiB
  tidegate record :6380 127.0.0.1:6379 --out 'recordings/{client}/%Y%m%d-%H%M.pcapng' --rotate-size 64MiB
  tidegate record :6380 127.0.0.1:6379 --to postgres://tidegate@db.internal/traffic --spool spool/
`

export const recordCommand = (): Command =>
  addRelayOptions(
    addRecordOptions(
      new Command('record')
        .description('relay from LISTEN to TARGET, and record every byte')
        .argument('<LISTEN>', 'where to accept clients', addressArgument('LISTEN'))
        .argument('<TARGET...>', 'where to connect them to', endpointListArgument('TARGET')),
    ),
  )
    .addHelpText('after', HELP)
    .action(async (listen: string, targets: readonly string[], flags: RelayFlags & RecordFlags) => {
      const where = flags.out ?? (flags.to === undefined ? undefined : safeUrl(flags.to))
      if (where === undefined)
        throw usageError(
          "--out PATH is missing: the file to record to (or --to for a database); see 'tidegate record --help'",
        )
      refuseRecordFlags(flags)
      const config = parseFlags(configOfFlags(listen, targets, flags))
      await runGateway(config, { conclude: (recording) => recordedText(recording, where) })
    })
