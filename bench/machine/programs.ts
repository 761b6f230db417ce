/**
 * Programs that the bench starts: each in a process group of its own, so that its CPU time and memory can be told apart
 * and so that nothing of it is left behind, not even what it forked.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastResort, type Scope } from './scope.js'

export interface ProgramOptions {
  /** Set besides what this process has; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  /** Also the number of its process group. */
  readonly pid: number
  readonly ended: Promise<Ended>
  isRunning(): boolean
  /** Resolves once it has written this on stderr; rejects, with its last words, if it ends first or takes too long. */
  says(text: string, timeoutMs: number): Promise<void>
  /** The last line it wrote on stderr, or else on stdout. */
  lastWords(): string
  /** SIGTERM, and SIGKILL for what is left of the group a while later. Idempotent. */
  stop(): Promise<void>
}

const LOOK_EVERY_MS = 20

/** How long a program may take to end in order. */
const GRACE_MS = 3000

/** Kept of what a program writes; the longest thing that is read is iperf3's report (some 100 KB). */
const OUTPUT_LIMIT = 4 * 1024 * 1024

const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
  let text = ''
  stream?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-OUTPUT_LIMIT)
  })
  return () => text
}

/** Signals a group; one that is gone is as good. */
const signalGroup = (group: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-group, signal)
  } catch {
    // ESRCH
  }
}

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? ''

const endOf = (child: ChildProcess, command: string): Promise<[number | null, NodeJS.Signals | null]> =>
  new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => resolve([code, signal]))
    child.once('error', (error) => reject(new Error(`cannot run ${command}: ${error.message}`)))
  })

/** Starts a program that runs until it ends by itself, is stopped, or the scope ends. */
export const startProgram = (
  scope: Scope,
  [command, ...args]: readonly [string, ...string[]],
  { env = {}, cwd }: ProgramOptions = {},
): Program => {
  // Asked first, so that nothing is started which nobody would end.
  let stop = (): unknown => undefined
  scope.defer(() => stop())
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  const pid = child.pid ?? 0
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const settled = pid === 0 ? () => {} : lastResort(() => signalGroup(pid, 'SIGKILL'))

  const closed = new Promise((resolve) => child.once('close', resolve))

  const waitForEnd = async (): Promise<Ended> => {
    const [code, signal] = await endOf(child, command)
    // What it forked has no one to end it any more, and would keep the pipes open.
    signalGroup(pid, 'SIGKILL')
    settled()
    await closed
    return { code, signal, stdout: stdout(), stderr: stderr() }
  }
  const ended = waitForEnd()
  // Whoever wants to know asks; a program that could not be started must not end the bench by itself.
  ended.catch(() => {})

  const isRunning = (): boolean => pid !== 0 && child.exitCode === null && child.signalCode === null
  const stopNow = async (): Promise<void> => {
    if (isRunning()) signalGroup(pid, 'SIGTERM')
    const timer = setTimeout(() => isRunning() && signalGroup(pid, 'SIGKILL'), GRACE_MS)
    await ended.catch(() => {})
    clearTimeout(timer)
  }
  stop = stopNow
  const says = async (text: string, timeoutMs: number): Promise<void> => {
    const deadline = performance.now() + timeoutMs
    while (!stderr().includes(text)) {
      if (!isRunning()) throw new Error(`${command} has ended: ${lastLine(stderr()) || 'it said nothing'}`)
      if (performance.now() > deadline) throw new Error(`${command} did not say '${text}' in ${timeoutMs} ms`)
      await sleep(LOOK_EVERY_MS)
    }
  }
  return {
    pid,
    ended,
    isRunning,
    says,
    lastWords: () => lastLine(stderr()) || lastLine(stdout()),
    stop: stopNow,
  }
}

export interface RunOptions extends ProgramOptions {
  /** Then it is stopped, and the run rejects. */
  readonly timeoutMs: number
}

/** Runs a program to its end. Rejects, saying why, unless it exits with 0. */
export const runProgram = async (
  scope: Scope,
  command: readonly [string, ...string[]],
  { timeoutMs, ...options }: RunOptions,
): Promise<Ended> => {
  const own = scope.child()
  const program = startProgram(own, command, options)
  let late = false
  const timer = setTimeout(() => {
    late = true
    void program.stop()
  }, timeoutMs)
  try {
    const ended = await program.ended
    if (late) throw new Error(`${command[0]} was not done after ${timeoutMs / 1000} s`)
    if (ended.code !== 0)
      throw new Error(`${command[0]} ended with ${ended.signal ?? ended.code}: ${program.lastWords()}`)
    return ended
  } finally {
    clearTimeout(timer)
    await own.end()
  }
}
