/**
 * The options that commands share. Each can also be given in the environment, as `TIDEGATE_` and its name; a flag wins.
 */

import { type Command, Option } from 'commander'
import type { GatewayConfigInput } from '../config/config.js'
import * as defaults from '../config/defaults.js'
import { readersFrom } from '../config/paths.js'
import { checkRedactPattern } from '../config/record-schema.js'
import { ENGINE_NAMES } from '../config/schema.js'
import { formatDuration, formatSize, parseDuration, parseSize } from '../config/units.js'
import { formatAddress, leadsBack, parseAddress } from '../core/address.js'
import { BALANCE_POLICIES, type BalancePolicy } from '../core/balance/policy.js'
import { isTemplate, templateProblem } from '../core/record/files/template.js'
import { checkCidr } from '../core/route/cidr.js'
import { looksLikeUrl, safeUrl } from '../core/safe-url.js'
import { messageOf } from '../errors.js'
import { usageError } from './failure.js'

type Check = (text: string) => unknown

/** Runs a check of ours over a value, so that its message names the argument, option or variable it came from. */
const named =
  (name: string, check: Check) =>
  (text: string): string => {
    try {
      check(text)
      return text
    } catch (thrown) {
      throw usageError(`${name}: ${messageOf(thrown)}`)
    }
  }

/** As `named`. Commander does not say whether a value is the flag's or the environment's. */
const namedOption =
  (flag: string, check: Check, wholeText?: string) =>
  (text: string): string => {
    const variable = environmentOf(flag)
    const isVariables = process.env[variable] === (wholeText ?? text)
    return named(isVariables ? `${flag} (${variable})` : flag, check)(text)
  }

/** As `namedOption`, for one that may be repeated, and whose value may have any character in it. */
const repeated =
  (flag: string, check: Check) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    namedOption(flag, check)(text),
  ]

export const namedList =
  (flag: string, check: Check) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    ...text.split(',').map((part) => namedOption(flag, check, text)(part.trim())),
  ]

const flagOf = (flags: string): string => /--[\w-]+/.exec(flags)?.[0] ?? flags

const environmentOf = (flags: string): string =>
  `TIDEGATE_${flagOf(flags).slice(2).replaceAll('-', '_').toUpperCase()}`

export const option = (flags: string, description: string): Option =>
  new Option(flags, description).env(environmentOf(flags))

export const checked = (flags: string, description: string, check: Check): Option =>
  option(flags, description).argParser(namedOption(flagOf(flags), check))

const workerCount: Check = (text) => {
  if (!/^\d{1,9}$/.test(text) || Number(text) > defaults.MAX_WORKERS)
    throw new Error(
      `'${text}' is not a number of threads; expected 0 to ${defaults.MAX_WORKERS}, 0 for the main thread`,
    )
}

const count: Check = (text) => {
  if (!/^\d{1,9}$/.test(text))
    throw new Error(`'${text}' is not a count; expected a whole number, 0 for no limit`)
}

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

const inherit = (ms: number): string => `(default: ${formatDuration(ms)})`

/** Where an option's value comes from when neither flag nor environment give it: ours, or a config file's. */
type DefaultSource = 'built-in' | 'config'

const defaultOf = (value: string, source: DefaultSource): string =>
  `(default: ${source === 'config' ? "CONFIG's" : value})`

/** `name: check` for a positional argument. */
export const addressArgument = (name: string) => named(name, parseAddress)

/** As `addressArgument`, for one or more places to connect to. */
export const endpointListArgument =
  (name: string) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    named(name, readersFrom(undefined).endpoint)(text),
  ]

export interface RelayFlags {
  readonly name?: string
  readonly connectTimeout?: string
  readonly idleTimeout?: string
  readonly halfCloseTimeout?: string
  readonly drainTimeout?: string
  readonly engine?: 'auto' | 'linux' | 'portable'
  readonly workers?: string
  readonly maxConnections?: string
  readonly overflow?: 'wait' | 'refuse'
  readonly balance?: BalancePolicy
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  readonly proxyProtocol?: 'require' | 'accept'
  readonly proxyFrom?: readonly string[]
  readonly sendProxy?: 'v1' | 'v2'
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly logFormat?: 'auto' | 'pretty' | 'json'
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

export const drainTimeoutOption = (source: DefaultSource): Option =>
  checked(
    '--drain-timeout <duration>',
    `longest wait for open connections when it is told to stop; 0: none ${defaultOf(formatDuration(defaults.DEFAULT_DRAIN_TIMEOUT_MS), source)}`,
    parseDuration,
  )

/** What moves the bytes, and on how many threads. */
export const addEngineOptions = (command: Command, source: DefaultSource): Command =>
  command
    .addOption(
      option(
        '--engine <name>',
        `what moves the bytes: linux (epoll, splice), portable (node:net), or auto ${defaultOf('auto', source)}`,
      ).choices(ENGINE_NAMES),
    )
    .addOption(
      checked(
        '--workers <n>',
        `threads that serve connections, on the linux engine; 0: the main thread ${defaultOf(String(defaults.DEFAULT_WORKERS), source)}`,
        workerCount,
      ),
    )

export const addLogOptions = (command: Command, source: DefaultSource): Command =>
  command
    .addOption(
      option(
        '--log-level <level>',
        `least serious message that is logged ${defaultOf('info', source)}`,
      ).choices(['debug', 'info', 'warn', 'error', 'silent']),
    )
    .addOption(
      option(
        '--log-format <format>',
        `auto: pretty on a terminal, else json ${defaultOf('auto', source)}`,
      ).choices(['auto', 'pretty', 'json']),
    )

export const addRelayOptions = (command: Command): Command =>
  addLogOptions(
    addEngineOptions(command, 'built-in')
      .addOption(option('--name <name>', 'what logs and recordings call this listener (default: LISTEN)'))
      .addOption(
        checked(
          '--connect-timeout <duration>',
          `longest wait for one target ${inherit(defaults.DEFAULT_CONNECT_TIMEOUT_MS)}`,
          parseDuration,
        ),
      )
      .addOption(
        checked(
          '--idle-timeout <duration>',
          `end a connection on which nothing moves ${inherit(defaults.DEFAULT_IDLE_TIMEOUT_MS)}`,
          parseDuration,
        ),
      )
      .addOption(
        checked(
          '--half-close-timeout <duration>',
          `end a silent connection that one side has ended ${inherit(defaults.DEFAULT_HALF_CLOSE_TIMEOUT_MS)}`,
          parseDuration,
        ),
      )
      .addOption(drainTimeoutOption('built-in'))
      .addOption(checked('--max-connections <n>', 'open at once; 0: no limit (default: 0)', count))
      .addOption(
        option(
          '--overflow <what>',
          'beyond --max-connections: wait in the backlog, or refuse (default: wait)',
        ).choices(['wait', 'refuse']),
      )
      .addOption(
        option(
          '--balance <word>',
          'which TARGET a client gets, where there are several; first: in the order given (default: first)',
        ).choices(BALANCE_POLICIES),
      )
      .addOption(
        option('--allow <cidr>', 'only these clients; repeat it or separate by commas').argParser(
          namedList('--allow', checkCidr),
        ),
      )
      .addOption(
        option('--deny <cidr>', 'not these clients; wins over --allow').argParser(
          namedList('--deny', checkCidr),
        ),
      )
      .addOption(
        option(
          '--proxy-protocol <what>',
          'PROXY headers (v1, v2) of --proxy-from: require them, or accept them (default: none are read)',
        ).choices(['require', 'accept']),
      )
      .addOption(
        option(
          '--proxy-from <cidr>',
          'the proxies whose headers are believed; repeat it or separate by commas',
        ).argParser(namedList('--proxy-from', checkCidr)),
      )
      .addOption(
        option(
          '--send-proxy <version>',
          'tell TARGET each client in a PROXY header, v1 (text) or v2 (binary) (default: none is sent)',
        ).choices(['v1', 'v2']),
      ),
    'built-in',
  )

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

export const present = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } => {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/** Undefined where none of the fields is given. */
const someOf = <T extends object>(fields: T) =>
  Object.values(fields).some((value) => value !== undefined) ? present(fields) : undefined

export const workersOf = ({ workers }: Pick<RelayFlags, 'workers'>): number | undefined =>
  workers === undefined ? undefined : Number(workers)

/** Refused here in the words of a command line; in a config the same mistake has its place. @throws TidegateError `usage` */
export const refusePortableWorkers = (engine: RelayFlags['engine'], workers: number | undefined): void => {
  if (engine === 'portable' && workers !== undefined && workers > 0)
    throw usageError(
      `--workers: ${workers}, but the portable engine serves on the main thread only; expected 0, or --engine linux or auto`,
    )
}

/** As {@link refusePortableWorkers}. @throws TidegateError `usage` */
const refuseHalfOfProxy = (
  listen: string,
  { proxyProtocol, proxyFrom }: Pick<RelayFlags, 'proxyProtocol' | 'proxyFrom'>,
): void => {
  if (proxyProtocol !== undefined && proxyFrom === undefined)
    throw usageError(
      `--proxy-from is missing: with --proxy-protocol ${proxyProtocol} any client could say that it is another; expected the addresses of the proxies in front`,
    )
  if (proxyProtocol === undefined && proxyFrom !== undefined)
    throw usageError(
      '--proxy-protocol is missing: --proxy-from alone reads no headers; expected require or accept',
    )
  if (proxyProtocol !== undefined && parseAddress(listen).kind === 'unix')
    throw usageError(
      `--proxy-protocol: LISTEN is '${listen}', and peers of a unix socket have no address that --proxy-from could name; expected a LISTEN with host and port`,
    )
}

/** The config that a command line stands for: one listener, one upstream. */
export const configOfFlags = (
  listen: string,
  targets: readonly string[],
  flags: RelayFlags & RecordFlags,
): GatewayConfigInput => {
  const loop = targets.find((target) => leadsBack(parseAddress(listen), parseAddress(target)))
  if (loop !== undefined)
    throw usageError(`TARGET: '${loop}' leads back to LISTEN: each connection would make another`)
  const texts = targets.map((target) => formatAddress(parseAddress(target)))
  const again = texts.find((text, index) => texts.indexOf(text) !== index)
  if (again !== undefined) throw usageError(`TARGET: '${again}' is given twice; expected each once`)
  refusePortableWorkers(flags.engine, workersOf(flags))
  refuseHalfOfProxy(listen, flags)
  return {
    listeners: [
      {
        listen,
        upstream: 'target',
        ...present({
          name: flags.name,
          allow: flags.allow,
          deny: flags.deny,
          proxyProtocol: flags.proxyProtocol,
          proxyFrom: flags.proxyFrom,
          overflow: flags.overflow,
          maxConnections: flags.maxConnections === undefined ? undefined : Number(flags.maxConnections),
        }),
      },
    ],
    upstreams: {
      target: {
        endpoints: [...targets],
        balance: flags.balance ?? 'first',
        ...present({ sendProxyProtocol: flags.sendProxy }),
      },
    },
    timeouts: present({
      connect: flags.connectTimeout,
      idle: flags.idleTimeout,
      halfClose: flags.halfCloseTimeout,
    }),
    log: present({ level: flags.logLevel, format: flags.logFormat }),
    ...present({ drainTimeout: flags.drainTimeout, engine: flags.engine, workers: workersOf(flags) }),
    ...(flags.out === undefined && flags.to === undefined
      ? {}
      : {
          record: {
            ...present({
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
          },
        }),
  }
}
