import { Command, Option } from 'commander'
import type { GatewayConfigInput } from '../../config/config.js'
import * as defaults from '../../config/defaults.js'
import { formatDuration, parseDuration } from '../../config/units.js'
import { missingPrograms } from '../../control/wake/missing-programs.js'
import { checkCidr } from '../../core/route/cidr.js'
import { addressArgument, checked, endpointListArgument, namedList, option } from '../checked-option.js'
import { usageError } from '../failure.js'
import { parseFlags } from '../flag-config.js'
import { addRelayOptions, configOfFlags, type RelayFlags } from '../options.js'
import { present } from '../present.js'
import { refuseRecordFlags, withoutOthers } from '../record-flags.js'
import { addRecordOptions, type RecordFlags } from '../record-options.js'
import { runGateway } from '../run.js'

const HELP = `
LISTEN is where clients connect, TARGET where COMMAND will accept them. COMMAND is started, without a shell, when the first client
comes; clients wait until it is ready. It has to stay in the foreground. When nobody has been connected for --idle it is stopped; the next
client starts it again. When Tidegate ends, so does it.

With --inetd there is no TARGET: each client gets a COMMAND of its own, with the connection as its stdin and stdout. With
--listen-fds COMMAND gets the listening socket itself (LISTEN_FDS, as from systemd) and accepts until it exits.

Examples:
  tidegate wake :6379 127.0.0.1:6380 -- redis-server --port 6380
  tidegate wake :5432 127.0.0.1:5433 --idle 10m --stop-signal SIGINT --ready-output 'is ready to accept connections' \\
    -- postgres -D data -p 5433
  tidegate wake :8080 127.0.0.1:8081 --wake-on data --workdir site -- python3 -m http.server 8081 --bind 127.0.0.1
  tidegate wake :2222 --inetd -- /usr/sbin/sshd -i
  tidegate wake :8080 --listen-fds -- node server.js
`

export interface WakeFlags extends RelayFlags, RecordFlags {
  readonly idle?: string
  readonly idleBy?: 'connections' | 'bytes'
  readonly minUptime?: string
  readonly start?: string
  readonly ready?: string
  readonly readyWhen?: 'connect' | 'notify'
  readonly readyOutput?: string
  readonly stopTimeout?: string
  readonly stopSignal?: string
  readonly workdir?: string
  readonly env?: Readonly<Record<string, string>>
  readonly user?: string
  readonly group?: string
  readonly wakeOn?: 'connect' | 'data'
  readonly wakeMatch?: readonly string[]
  readonly wakeFrom?: readonly string[]
  readonly inetd?: boolean
  readonly listenFds?: boolean
}

const duration = (flags: string, description: string, fallback: number): Option =>
  checked(flags, `${description} (default: ${formatDuration(fallback)})`, parseDuration)

const environment = (
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => {
  const at = text.indexOf('=')
  if (at <= 0) throw usageError(`--env: '${text}' has no name and value; expected e.g. --env PORT=6380`)
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

const repeated = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

const addWakeOptions = (command: Command): Command =>
  command
    .addOption(
      duration(
        '--idle <duration>',
        'stop it after so long without connections; 0: never',
        defaults.DEFAULT_WAKE_IDLE_MS,
      ),
    )
    .addOption(
      option(
        '--idle-by <what>',
        'connections: idle is when nobody is connected; bytes: also when nothing moves (default: connections)',
      ).choices(['connections', 'bytes']),
    )
    .addOption(duration('--min-uptime <duration>', 'run it at least so long', 0))
    .addOption(duration('--start <duration>', 'it has to be ready within', defaults.DEFAULT_WAKE_START_MS))
    .addOption(
      duration(
        '--ready <duration>',
        'longest pause between looks whether it is ready',
        defaults.DEFAULT_WAKE_READY_MS,
      ),
    )
    .addOption(
      option(
        '--ready-when <what>',
        "connect: TARGET accepts; notify: systemd's READY=1 arrives (default: connect)",
      ).choices(['connect', 'notify']),
    )
    .addOption(option('--ready-output <regexp>', 'ready when a line of its output matches'))
    .addOption(
      duration(
        '--stop-timeout <duration>',
        'kill it when it has not ended so long after it was asked to',
        defaults.DEFAULT_WAKE_STOP_MS,
      ),
    )
    .addOption(option('--stop-signal <signal>', 'how it is asked to end (default: SIGTERM)'))
    .addOption(option('--workdir <dir>', 'working directory of COMMAND (default: this one)'))
    .addOption(
      new Option('--env <K=V>', 'an environment variable for COMMAND; repeat it').argParser(environment),
    )
    .addOption(option('--user <name>', 'run COMMAND as this user; needs root'))
    .addOption(option('--group <name>', 'run COMMAND as this group; needs root'))
    .addOption(
      option(
        '--wake-on <what>',
        'start it when a client connects, or not before it has sent data (default: connect)',
      ).choices(['connect', 'data']),
    )
    .addOption(
      new Option(
        '--wake-match <bytes>',
        'with --wake-on data: start it only for these first bytes (text, or hex:0d0a); repeat it',
      ).argParser(repeated),
    )
    .addOption(
      option(
        '--wake-from <cidr>',
        'only clients from here start it; repeat it or separate by commas',
      ).argParser(namedList('--wake-from', checkCidr)),
    )
    .addOption(option('--inetd', 'a COMMAND for each client, which is its stdin and stdout'))
    .addOption(option('--listen-fds', 'COMMAND gets the listening socket and accepts itself (LISTEN_FDS)'))

/** What stands behind `--`; commander does not tell it from the arguments before. */
const commandOf = (command: Command): readonly string[] => {
  const raw = (command.parent as (Command & { readonly rawArgs: readonly string[] }) | null)?.rawArgs ?? []
  const at = raw.indexOf('--')
  return at === -1 ? [] : raw.slice(at + 1)
}

const MODES = { inetd: 'inetd', listenFds: 'listener' } as const

const modeOf = ({ inetd, listenFds }: WakeFlags): 'service' | 'inetd' | 'listener' => {
  if (inetd === true && listenFds === true)
    throw usageError(
      '--inetd and --listen-fds: either Tidegate accepts, or COMMAND does; expected one of them',
    )
  if (inetd === true) return MODES.inetd
  return listenFds === true ? MODES.listenFds : 'service'
}

const FLAG_OF = { inetd: '--inetd', listener: '--listen-fds' } as const

type FlagName = keyof WakeFlags

/** What only a service that is connected to has. */
const SERVICE_FLAGS = [
  'balance',
  'idle',
  'idleBy',
  'minUptime',
  'start',
  'ready',
  'readyWhen',
  'readyOutput',
] as const satisfies readonly FlagName[]
/** What is done with clients that Tidegate accepts. */
const ACCEPTING_FLAGS = [
  'connectTimeout',
  'idleTimeout',
  'halfCloseTimeout',
  'maxConnections',
  'overflow',
  'allow',
  'deny',
  'proxyProtocol',
  'proxyFrom',
  'sendProxy',
  'wakeOn',
  'wakeMatch',
  'wakeFrom',
  'out',
  'overload',
  'onFailure',
  'buffer',
] as const satisfies readonly FlagName[]

const UNUSED_FLAGS = {
  service: { names: [], why: '' },
  inetd: {
    names: [...SERVICE_FLAGS, 'stopSignal'],
    why: 'each client has a COMMAND of its own, and nobody is connected to',
  },
  listener: {
    names: [...SERVICE_FLAGS, ...ACCEPTING_FLAGS],
    why: 'COMMAND accepts the clients itself, and nothing of them is seen here',
  },
} as const satisfies Record<string, { readonly names: readonly FlagName[]; readonly why: string }>

const spelled = (name: FlagName): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

const checkFlags = (mode: 'service' | 'inetd' | 'listener', flags: WakeFlags): void => {
  const { names, why } = UNUSED_FLAGS[mode]
  const found = names.find((name) => flags[name] !== undefined)
  if (mode !== 'service' && found !== undefined)
    throw usageError(
      `${spelled(found)}: it has no meaning with ${FLAG_OF[mode]}: ${why}; expected one of the two`,
    )
}

const checkTargets = (mode: 'service' | 'inetd' | 'listener', targets: readonly string[]): void => {
  if (mode === 'service' && targets.length === 0)
    throw usageError(
      "TARGET is missing; expected where COMMAND will accept, e.g. 'tidegate wake :6379 127.0.0.1:6380 -- redis-server --port 6380'",
    )
  if (mode !== 'service' && targets.length > 0)
    throw usageError(
      `TARGET: '${targets[0]}', but with ${FLAG_OF[mode]} there is none; expected -- and COMMAND behind LISTEN`,
    )
}

const readyWhenOf = ({ readyWhen, readyOutput }: WakeFlags) => {
  if (readyOutput === undefined) return readyWhen
  if (readyWhen !== undefined)
    throw usageError(
      '--ready-when and --ready-output: two ways to know that it is ready; expected one of them',
    )
  return { output: readyOutput }
}

const numbered = (account: string | undefined): string | number | undefined =>
  account !== undefined && /^\d+$/.test(account) ? Number(account) : account

type UpstreamInput = NonNullable<GatewayConfigInput['upstreams']>[string]

/** Beside how it is woken. */
const placeOf = (
  mode: 'service' | 'inetd' | 'listener',
  { upstreams }: GatewayConfigInput,
  { sendProxy, maxConnections = '0' }: WakeFlags,
): object => {
  const target = upstreams?.target
  if (mode === 'service') return typeof target === 'object' ? target : {}
  // A process may outlive its connection: what is bounded is both.
  const most = Number(maxConnections) === 0 ? undefined : Number(maxConnections)
  return mode === 'inetd' ? present({ sendProxyProtocol: sendProxy, maxConnections: most }) : {}
}

/** The config that a command line stands for. */
export const wakeConfigOf = (
  listen: string,
  targets: readonly string[],
  words: readonly string[],
  flags: WakeFlags,
): GatewayConfigInput => {
  const mode = modeOf(flags)
  checkTargets(mode, targets)
  checkFlags(mode, flags)
  refuseRecordFlags(flags)
  if (words.length === 0)
    throw usageError(
      "COMMAND is missing; expected it behind --, e.g. 'tidegate wake :6379 127.0.0.1:6380 -- redis-server --port 6380'",
    )
  const config = configOfFlags(listen, targets, flags)
  const wake = {
    exec: [...words],
    ...present({
      mode: mode === 'service' ? undefined : mode,
      workdir: flags.workdir,
      env: flags.env,
      user: numbered(flags.user),
      group: numbered(flags.group),
      idle: flags.idle,
      idleBy: flags.idleBy,
      minUptime: flags.minUptime,
      start: flags.start,
      ready: flags.ready,
      readyWhen: readyWhenOf(flags),
      stopTimeout: flags.stopTimeout,
      stopSignal: flags.stopSignal,
      wakeOn: flags.wakeOn,
      wakeMatch: flags.wakeMatch,
      wakeFrom: flags.wakeFrom,
    }),
  }
  const upstream = { ...placeOf(mode, config, flags), wake } as UpstreamInput
  return { ...config, upstreams: { target: upstream } }
}

export const wakeCommand = (): Command =>
  addRecordOptions(
    addRelayOptions(
      addWakeOptions(
        new Command('wake')
          .description('start COMMAND when the first client comes, relay to TARGET, stop it when it is idle')
          .usage('[options] <LISTEN> <TARGET> -- <COMMAND> [ARGS...]')
          .argument('<LISTEN>', 'where to accept clients', addressArgument('LISTEN'))
          .argument('[TARGET...]', 'where COMMAND accepts them'),
      ),
    ),
    'default: nothing is recorded',
  )
    .addHelpText('after', HELP)
    .action(async (listen: string, rest: readonly string[], flags: WakeFlags, command: Command) => {
      const words = commandOf(command)
      const check = endpointListArgument('TARGET')
      const targets = rest
        .slice(0, rest.length - words.length)
        .reduce<readonly string[]>((before, text) => check(text, before), [])
      const own = withoutOthers(flags, (name) => command.getOptionValueSource(name) === 'env')
      const config = parseFlags(wakeConfigOf(listen, targets, words, own))
      const [missing] = missingPrograms(config)
      if (missing !== undefined) throw usageError(`COMMAND: ${missing.message}`)
      await runGateway(config)
    })
