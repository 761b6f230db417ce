/**
 * The command under test: the built one, run by the Node that runs the tests, so that each supported version is what
 * is tested.
 *
 * - gateway: a `tidegate` that stays, with its log as parsed lines
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Daemon, type Finished, type RunOptions, run, startDaemon } from './processes.js'
import { type Scope, within } from './scope.js'
import { SETTING_ENVIRONMENT } from './setting.js'
import { LOOPBACK } from './sockets.js'

// What the person who runs the tests has set for their own gateways is not for these.
for (const name of Object.keys(process.env)) if (name.startsWith('TIDEGATE_')) delete process.env[name]

Object.assign(process.env, SETTING_ENVIRONMENT)

/** `TEST_CLI` runs the suite against another build, e.g. an installed package. */
const CLI = process.env.TEST_CLI ?? join(import.meta.dirname, '../../dist/cli/main.js')

const builtCli = (): string => {
  if (!existsSync(CLI)) throw new Error(`${CLI} is not there: run 'npm run build' first`)
  return CLI
}

export interface LauncherOption {
  /** Program and arguments that run the rest of their arguments, e.g. with a limit set first. */
  readonly launcher?: readonly string[]
}

export interface StartOptions extends LauncherOption {
  /** Set besides what the tests' own process has. */
  readonly env?: Readonly<Record<string, string>>
}

const launched = (launcher: readonly string[], args: readonly string[]): [string, ...string[]] => {
  const [command = process.execPath, ...rest] = [...launcher, process.execPath, builtCli(), ...args]
  return [command, ...rest]
}

/** Runs a `tidegate` command to its end. */
export const tidegate = (
  args: readonly string[],
  { launcher = [], ...options }: RunOptions & LauncherOption = {},
): Promise<Finished> => {
  const [command, ...rest] = launched(launcher, args)
  return run(command, rest, options)
}

/** A line of the JSON log. */
export interface LogLine {
  /** `info`, `warn`, `error`, … */
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

/** The line that is logged at each connection's end. */
export interface ClosedLine extends LogLine {
  readonly id: number
  readonly listener: string
  readonly client: string
  readonly upstream: string
  readonly durationMs: number
  readonly bytes: { readonly upstream: number; readonly downstream: number }
  readonly reason: string
}

const isLogLine = (value: unknown): value is LogLine =>
  typeof value === 'object' && value !== null && 'msg' in value && typeof value.msg === 'string'

const parseLine = (text: string): LogLine | null => {
  try {
    const value: unknown = JSON.parse(text)
    return isLogLine(value) ? value : null
  } catch {
    return null
  }
}

export interface Gateway {
  readonly daemon: Daemon
  /** Everything logged so far. */
  readonly log: readonly LogLine[]
  /** What it wrote on stderr that is not a log line. */
  readonly noise: readonly string[]
  /** Resolves with the first `count` lines that match, of those already logged and those to come. */
  lines(
    what: string,
    matches: (line: LogLine) => boolean,
    count?: number,
    deadlineMs?: number,
  ): Promise<LogLine[]>
  /** Resolves with the lines of the first `count` connections that have ended. */
  closed(count: number, deadlineMs?: number): Promise<ClosedLine[]>
  /** SIGTERM; resolves with the exit code. */
  finish(deadlineMs?: number): Promise<number | null>
}

/** Starts `tidegate ARGS` without waiting for anything. */
export const startTidegate = (
  scope: Scope,
  args: readonly string[],
  { launcher = [], env }: StartOptions = {},
): Gateway => {
  const [command, ...rest] = launched(launcher, args)
  const daemon = startDaemon(scope, command, rest, { env: { ...process.env, ...env } })
  const log: LogLine[] = []
  const noise: string[] = []
  const waiting = new Set<() => void>()
  if (daemon.child.stderr === null) throw new Error('stderr is not a pipe')
  createInterface({ input: daemon.child.stderr }).on('line', (text) => {
    const line = parseLine(text)
    if (line === null) noise.push(text)
    else log.push(line)
    for (const look of waiting) look()
  })

  const lines: Gateway['lines'] = async (what, matches, count = 1, deadlineMs = 20_000) => {
    let look = (): void => {}
    const found = new Promise<LogLine[]>((resolve, reject) => {
      look = () => {
        const matching = log.filter(matches)
        if (matching.length >= count) resolve(matching.slice(0, count))
      }
      waiting.add(look)
      look()
      void daemon.exited.then(() => {
        look()
        reject(new Error(`tidegate ended before it logged ${what}`))
      })
    })
    try {
      return await within(deadlineMs, `${count} x ${what}`, found)
    } catch (error) {
      throw new Error(`${String(error)}\n${daemon.output()}`)
    } finally {
      waiting.delete(look)
    }
  }

  return {
    daemon,
    log,
    noise,
    lines,
    closed: async (count, deadlineMs) =>
      (await lines(
        'connection closed',
        ({ msg }) => msg === 'connection closed',
        count,
        deadlineMs,
      )) as ClosedLine[],
    finish: async (deadlineMs = 20_000) => {
      daemon.child.kill('SIGTERM')
      const exited = within(deadlineMs, 'tidegate to end', daemon.exited)
      const { code } = await exited.catch((late: unknown) => {
        throw new Error(`${String(late)}\n${daemon.output()}`)
      })
      return code
    },
  }
}

/** A gateway with one TCP listener, ready to be connected to. */
export interface ListeningGateway extends Gateway {
  readonly port: number
}

/** The real address of each listener, once `count` of them are ready. */
export const listening = async (gateway: Gateway, count = 1): Promise<ReadonlyMap<string, string>> => {
  const ready = await gateway.lines('listening', ({ msg }) => msg === 'listening', count)
  return new Map(ready.map(({ listener, address }) => [String(listener), String(address)]))
}

export const portIn = (address: string): number => Number(/:(\d+)$/.exec(address)?.[1])

const oneListener = async (gateway: Gateway): Promise<ListeningGateway> => {
  const [address = ''] = (await listening(gateway)).values()
  return { ...gateway, port: portIn(address) }
}

/** `tidegate relay` in front of a port of this machine. */
export const startRelay = (
  scope: Scope,
  upstreamPort: number,
  args: readonly string[] = [],
): Promise<ListeningGateway> =>
  oneListener(startTidegate(scope, ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:${upstreamPort}`, ...args]))

/** `tidegate wake` in front of a port of this machine, where `command` accepts once it has been started. */
export const startWake = (
  scope: Scope,
  servicePort: number,
  command: readonly string[],
  args: readonly string[] = [],
): Promise<ListeningGateway> =>
  oneListener(
    startTidegate(scope, ['wake', `${LOOPBACK}:0`, `${LOOPBACK}:${servicePort}`, ...args, '--', ...command]),
  )

export interface RecordingGateway extends ListeningGateway {
  /** Where it records. */
  readonly file: string
}

export interface RecordOptions extends LauncherOption {
  readonly file?: string
  readonly args?: readonly string[]
}

/** `tidegate record` in front of a port of this machine. */
export const startRecorder = async (
  scope: Scope,
  upstreamPort: number,
  { file = join(scope.tempDir(), 'recording.pcapng'), args = [], launcher = [] }: RecordOptions = {},
): Promise<RecordingGateway> => {
  const command = ['record', `${LOOPBACK}:0`, `${LOOPBACK}:${upstreamPort}`, '--out', file, ...args]
  return { ...(await oneListener(startTidegate(scope, command, { launcher }))), file }
}
