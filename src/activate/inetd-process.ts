/**
 * One process that serves one client.
 *
 *     client ⇄ [conn] ⇄ ours ⇄ theirs = the process's descriptors 0 and 1
 *
 * This process keeps `theirs` open, too. If the child closed the last descriptor of it, a client's bytes that it has not read
 * would break `ours` (ECONNRESET, unix(7)), as would those that come later (EPIPE), and take what the child wrote along. So its
 * end is told on its behalf: FIN behind what it wrote; what the client goes on sending is read and forgotten for a while.
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { Lines } from './lines.js'
import { type GroupKeeper, ProcessGroup } from './process-group.js'
import type { SocketPair } from './socket-pair.js'

/** For what is in the pipe of standard error when nothing of the process runs any more. */
const LAST_WORDS_MS = 1000

export interface ProcessSpec {
  readonly argv: readonly [string, ...string[]]
  readonly options: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'>
  readonly graceMs: number
  readonly stopTimeoutMs: number
  readonly lingerMs: number
  readonly keeper: GroupKeeper | null
}

export interface ProcessHost {
  output(line: string, pid: number): void
  exited(pid: number, code: number | null, signal: string | null): void
  /** Nothing of it runs any more. Called once, if it was started at all. */
  gone(process: InetdProcess): void
}

const ignore = (): void => {}

/** The child has made it blocking for all who have it; libuv, which reads on until there is nothing, would wait for ever. */
const makeNonBlocking = (socket: Socket): boolean => {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return false
  const setBlocking: unknown = Reflect.get(handle, 'setBlocking')
  return typeof setBlocking === 'function' && Reflect.apply(setBlocking, handle, [false]) === 0
}

type StartedChild = ChildProcess & { readonly pid: number; readonly stderr: Readable }

const hasStarted = (child: ChildProcess): child is StartedChild =>
  child.pid !== undefined && child.stderr !== null

/** In a group of its own, so that all it starts can be ended with it. */
const startChild = ({ argv, options }: ProcessSpec, socket: Socket): Promise<StartedChild> =>
  new Promise((resolve, reject) => {
    const [command, ...args] = argv
    const child = spawn(command, args, { ...options, stdio: [socket, socket, 'pipe'], detached: true })
    child.once('error', reject)
    if (hasStarted(child)) resolve(child)
  })

export class InetdProcess {
  readonly #pair: SocketPair
  readonly #host: ProcessHost
  readonly #group: ProcessGroup
  readonly #pid: number
  readonly #keeper: GroupKeeper | null
  readonly #lingerMs: number
  readonly #stopTimeoutMs: number
  #hasExited = false
  #grace: NodeJS.Timeout | undefined
  #linger: NodeJS.Timeout | undefined

  private constructor(child: StartedChild, pair: SocketPair, spec: ProcessSpec, host: ProcessHost) {
    const { pid, stderr } = child
    this.#pair = pair
    this.#host = host
    this.#pid = pid
    this.#keeper = spec.keeper
    this.#lingerMs = spec.lingerMs
    this.#stopTimeoutMs = spec.stopTimeoutMs
    this.#keeper?.keep(pid)
    this.#group = new ProcessGroup(pid, spec.stopTimeoutMs, () => this.#gone(stderr))
    const lines = new Lines((line) => host.output(line, pid))
    stderr.on('data', (chunk: Buffer) => lines.add(chunk))
    stderr.on('close', () => lines.end())
    stderr.on('error', ignore)
    child.once('exit', (code, signal) => this.#exited(code, signal))
    pair.ours.once('close', () => this.#clientGone(spec.graceMs))
  }

  /** The pair is the process's from here on. @throws Node's error (rejects) when it cannot be started; the pair is destroyed. */
  static async start(spec: ProcessSpec, pair: SocketPair, host: ProcessHost): Promise<InetdProcess> {
    try {
      return new InetdProcess(await startChild(spec, pair.theirs), pair, spec, host)
    } catch (thrown) {
      pair.ours.destroy()
      pair.theirs.destroy()
      throw thrown
    }
  }

  /** Asks it to end, and sees to it that it does: within its `stopTimeoutMs`, or a shorter time. */
  stop(withinMs = Number.POSITIVE_INFINITY): void {
    this.#group.stop(Math.min(withinMs, this.#stopTimeoutMs))
  }

  #exited(code: number | null, signal: string | null): void {
    this.#hasExited = true
    this.#host.exited(this.#pid, code, signal)
    this.#group.leaderEnded()
    const { ours, theirs } = this.#pair
    if (theirs.destroyed) return
    theirs.end()
    if (makeNonBlocking(theirs)) theirs.resume()
    const linger = (): void => {
      if (!ours.closed) this.#linger = setTimeout(() => theirs.destroy(), this.#lingerMs)
    }
    if (ours.readableEnded) linger()
    else ours.once('end', linger)
  }

  /** Its input has ended, and nobody wants its output. */
  #clientGone(graceMs: number): void {
    clearTimeout(this.#linger)
    this.#pair.theirs.destroy()
    if (!this.#hasExited) this.#grace = setTimeout(() => this.#group.stop(), graceMs)
  }

  #gone(stderr: Readable): void {
    clearTimeout(this.#grace)
    this.#keeper?.release(this.#pid)
    this.#host.gone(this)
    if (stderr.closed) return
    // Who has left the group may have it still. What was written by now is read by then.
    const last = setTimeout(() => stderr.destroy(), LAST_WORDS_MS)
    stderr.once('close', () => clearTimeout(last))
  }
}
