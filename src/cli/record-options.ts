/** The options of recording: where to, in which files, how safely, and what of which connections. */

import type { Command } from 'commander'
import type { GatewayConfigInput } from '../config/config.js'
import * as defaults from '../config/defaults.js'
import { checkRedactPattern } from '../config/record-schema.js'
import { formatSize, parseDuration, parseSize } from '../config/units.js'
import { isTemplate, templateProblem } from '../core/record/files/template.js'
import { checkCidr } from '../core/route/cidr.js'
import { looksLikeUrl, safeUrl } from '../core/safe-url.js'
import { type Check, checked, namedList, option, repeated } from './checked-option.js'
import { present, someOf } from './present.js'

const fraction: Check = (text) => {
  if (!/^\d*\.?\d+$/.test(text) || Number(text) > 1)
    throw new Error(`'${text}' is not a part of all; expected a number from 0 to 1, e.g. 0.1`)
}

/** Elsewhere `-` is stdin or stdout; here it would be a file of that name. */
const outFile: Check = (text) => {
  if (text === '-' || text === '')
    throw new Error(`'${text}' is not a file; expected a path, e.g. /dev/stdout`)
  if (looksLikeUrl(text))
    throw new Error(`'${safeUrl(text)}' is a URL; expected a path, or --to for a database`)
  const problem = isTemplate(text) ? templateProblem(text) : null
  if (problem !== null) throw new Error(`'${text}': ${problem.lead}; expected ${problem.expected}`)
}

const someFiles: Check = (text) => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`'${text}' is not a count; expected 1 or more`)
}

export interface RecordFlags {
  readonly out?: string
  readonly to?: string
  readonly spool?: string
  readonly spoolSize?: string
  readonly overload?: 'block' | 'drop' | 'disconnect'
  readonly onFailure?: 'continue' | 'disconnect'
  readonly buffer?: string
  readonly rotateSize?: string
  readonly rotateEvery?: string
  readonly compress?: 'none' | 'gzip' | 'zstd'
  readonly keepSize?: string
  readonly keepAge?: string
  readonly keepFiles?: string
  readonly minFree?: string
  readonly sync?: 'never' | 'interval' | 'always'
  readonly sample?: string
  readonly sampleBy?: 'client' | 'random'
  readonly recordAllow?: readonly string[]
  readonly recordDeny?: readonly string[]
  readonly maxBytes?: string
  readonly metadataOnly?: true
  readonly redact?: readonly string[]
}

/** Which connections are recorded, and what of them. */
const addCaptureOptions = (command: Command): Command =>
  command
    .addOption(
      checked(
        '--sample <part>',
        `which part of the connections is recorded, 0 to 1 (default: ${defaults.DEFAULT_SAMPLE})`,
        fraction,
      ),
    )
    .addOption(
      option(
        '--sample-by <what>',
        'all connections of a client or none, or each at random (default: client)',
      ).choices(['client', 'random']),
    )
    .addOption(
      option('--record-allow <cidr>', 'record only these clients; repeat it or separate by commas').argParser(
        namedList('--record-allow', checkCidr),
      ),
    )
    .addOption(
      option('--record-deny <cidr>', 'do not record these clients; wins over --record-allow').argParser(
        namedList('--record-deny', checkCidr),
      ),
    )
    .addOption(
      checked(
        '--max-bytes <size>',
        'record the first bytes of each direction of a connection only (default: no limit)',
        parseSize,
      ),
    )
    .addOption(
      option(
        '--metadata-only',
        'record who spoke with whom, when and how much, but nothing of what was said',
      ).conflicts('maxBytes'),
    )
    .addOption(
      option(
        '--redact <pattern>',
        'mask what matches in what is recorded, never in what is relayed; repeat it for more',
      ).argParser(repeated('--redact', checkRedactPattern)),
    )

/** `without`: what happens when no file is named. */
export const addRecordOptions = (command: Command, without = 'required without --to'): Command =>
  addCaptureOptions(addStoreOptions(command, without))

const addStoreOptions = (command: Command, without: string): Command =>
  command
    .addOption(
      checked(
        '-o, --out <path>',
        `the pcapng file to write, continued if it exists; with %Y %m %d %H %M %S (UTC), {client} or {listener} in it, or as a folder that ends in /, many files; ${without}`,
        outFile,
      ),
    )
    .addOption(
      option(
        '--to <url>',
        'a database in place of files: postgres://user@host/database; needs --spool (password: PGPASSWORD or ~/.pgpass)',
      ),
    )
    .addOption(option('--spool <dir>', 'with --to: the folder for what waits for the database'))
    .addOption(
      checked(
        '--spool-size <size>',
        `most of that; then --overload counts (default: ${formatSize(defaults.DEFAULT_SPOOL_BYTES)})`,
        parseSize,
      ),
    )
    .addOption(checked('--rotate-size <size>', 'begin the next file before one grows beyond this', parseSize))
    .addOption(
      checked(
        '--rotate-every <duration>',
        'begin the next file after this time, counted from midnight UTC',
        parseDuration,
      ),
    )
    .addOption(
      option(
        '--compress <how>',
        'compress files once they are complete: gzip, or zstd (Node 22.15 or newer) (default: none)',
      ).choices(['none', 'gzip', 'zstd']),
    )
    .addOption(
      checked('--keep-size <size>', 'remove the oldest complete files beyond this, all together', parseSize),
    )
    .addOption(
      checked('--keep-age <duration>', 'remove files that have been complete for so long', parseDuration),
    )
    .addOption(checked('--keep-files <n>', 'remove the oldest complete files beyond this many', someFiles))
    .addOption(
      checked(
        '--min-free <size>',
        'write nothing while the disk has less free space than this (default: 0)',
        parseSize,
      ),
    )
    .addOption(
      option(
        '--sync <when>',
        'force what is written to the disk: never (a power failure may cost half a minute), interval (a second), or always (nothing, slowly) (default: never)',
      ).choices(['never', 'interval', 'always']),
    )
    .addOption(
      option(
        '--overload <policy>',
        'when the disk is too slow: block the traffic, drop (mark a gap), or disconnect (default: block)',
      ).choices(['block', 'drop', 'disconnect']),
    )
    .addOption(
      option(
        '--on-failure <policy>',
        'when a write fails: continue (mark the loss) or disconnect (default: continue)',
      ).choices(['continue', 'disconnect']),
    )
    .addOption(
      checked(
        '--buffer <size>',
        `most memory for what waits to be written (default: ${formatSize(defaults.DEFAULT_RECORD_BUFFER_BYTES)})`,
        parseSize,
      ),
    )

/** The part of a config that says what is recorded and where; nothing where no place is named. */
export const recordOfFlags = (flags: RecordFlags): Pick<GatewayConfigInput, 'record'> => {
  if (flags.out === undefined && flags.to === undefined) return {}
  return {
    record: present({
      file: flags.out,
      to: flags.to,
      spool: someOf({ dir: flags.spool, size: flags.spoolSize }),
      overload: flags.overload,
      onFailure: flags.onFailure,
      bufferSize: flags.buffer,
      compress: flags.compress,
      minFree: flags.minFree,
      sync: flags.sync,
      rotate: someOf({ size: flags.rotateSize, every: flags.rotateEvery }),
      keep: someOf({
        size: flags.keepSize,
        age: flags.keepAge,
        files: flags.keepFiles === undefined ? undefined : Number(flags.keepFiles),
      }),
      sample: flags.sample === undefined ? undefined : Number(flags.sample),
      sampleBy: flags.sampleBy,
      allow: flags.recordAllow,
      deny: flags.recordDeny,
      maxBytes: flags.metadataOnly ? 0 : flags.maxBytes,
      redact: flags.redact,
    }),
  }
}
