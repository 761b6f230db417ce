/** The options that commands share, and the config that a command line stands for. Those of recording: record-options.ts. */

import type { Command, Option } from 'commander'
import type { GatewayConfigInput } from '../config/config.js'
import * as defaults from '../config/defaults.js'
import { ENGINE_NAMES } from '../config/schema.js'
import { formatDuration, parseDuration } from '../config/units.js'
import { formatAddress, leadsBack, parseAddress } from '../core/address.js'
import { BALANCE_POLICIES, type BalancePolicy } from '../core/balance/policy.js'
import { checkCidr } from '../core/route/cidr.js'
import { type Check, checked, namedList, option } from './checked-option.js'
import { usageError } from './failure.js'
import { present } from './present.js'
import { type RecordFlags, recordOfFlags } from './record-options.js'

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

const inherit = (ms: number): string => `(default: ${formatDuration(ms)})`

/** Where an option's value comes from when neither flag nor environment give it: ours, or a config file's. */
type DefaultSource = 'built-in' | 'config'

const defaultOf = (value: string, source: DefaultSource): string =>
  `(default: ${source === 'config' ? "CONFIG's" : value})`

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
    ...recordOfFlags(flags),
  }
}
