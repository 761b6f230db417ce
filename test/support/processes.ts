/**
 * Child processes: `run` one to its end, or keep one as a `Daemon` while tests talk to it. Each is bounded in
 * time, and ended by its own pid even when the test process dies first.
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Scope } from './scope.js'

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

const start = (command: string, args: readonly string[], options: SpawnOptions): ChildProcess => {
  const child = spawn(command, args, options)
  alive.add(child)
  child.once('close', () => alive.delete(child))
  return child
}

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Empty if `onStdout` took it. */
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: Uint8Array | string | Readable
  /** Takes standard output as it comes, for output too large to keep. */
  readonly onStdout?: (chunk: Buffer) => void
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Default 60 s; then the program is killed and the run rejects. */
  readonly timeoutMs?: number
}

/** Runs a program to its end, whatever its exit code. */
export const run = async (
  command: string,
  args: readonly string[],
  { input = '', onStdout, env, cwd, timeoutMs = 60_000 }: RunOptions = {},
): Promise<Finished> => {
  const child = start(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', onStdout ?? ((chunk: Buffer) => stdout.push(chunk)))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A program may end without having read its input; what matters is its exit code.
  const fed = child.stdin
    ? pipeline(input instanceof Readable ? input : Readable.from([Buffer.from(input)]), child.stdin).catch(
        () => {},
      )
    : Promise.resolve()
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, timeoutMs)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (input instanceof Readable) input.destroy()
    await fed
    const errors = Buffer.concat(stderr).toString()
    if (timedOut) throw new Error(`${command} ${args.join(' ')}: not done after ${timeoutMs} ms; ${errors}`)
    return { code, signal, stdout: Buffer.concat(stdout), stderr: errors }
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a program that has to succeed. */
export const runWell = async (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> => {
  const finished = await run(command, args, options)
  if (finished.code !== 0)
    throw new Error(
      `${command} ${args.join(' ')}: exit ${finished.code ?? finished.signal}\n${finished.stderr}${finished.stdout.toString().slice(-4000)}`,
    )
  return finished
}

export interface Daemon {
  readonly pid: number
  readonly child: ChildProcess
  /** The end of what it printed on stderr and stdout, for error messages. */
  output(): string
  /** Resolves when it has ended. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  isRunning(): boolean
  /** Asks it to end with this signal and kills it if it takes too long. Idempotent. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>
}

/** Kept of a daemon's output: enough to see why it failed, not enough to matter. */
const OUTPUT_TAIL = 16 * 1024

/** Starts a program that stays in the foreground until the scope ends. */
export const startDaemon = (
  scope: Scope,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Daemon => {
  const child = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let tail = ''
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-OUTPUT_TAIL)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
    child.once('error', (error) => {
      keep(Buffer.from(`${error.message}\n`))
      alive.delete(child)
      resolve({ code: null, signal: null })
    })
  })
  const isRunning = (): boolean =>
    child.exitCode === null && child.signalCode === null && child.pid !== undefined
  const stop = async (signal: NodeJS.Signals = 'SIGTERM', graceMs = 5000): Promise<void> => {
    if (!isRunning()) return
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await exited
    clearTimeout(timer)
  }
  scope.defer(() => stop())
  return { pid: child.pid ?? -1, child, output: () => tail, exited, isRunning, stop }
}
