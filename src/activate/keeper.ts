/**
 * Ends the process groups that this process has started when it dies, in whatever way, and cannot do it any more: a tiny shell that
 * holds the reading end of a pipe. While this process lives, it is told which groups there are; when the pipe ends, it kills
 * them.
 *
 * - group: a process and all that it has started (process-group.ts), grandchildren included, unless they left it
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import type { GroupKeeper } from './process-group.js'

/** In a session of its own, deaf to what a terminal says, so that it ends after this process and not with it. */
const SCRIPT = `trap '' INT TERM HUP QUIT
groups=' '
while read -r what group; do
  case $what in
    keep) groups="$groups$group " ;;
    release) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`

/** Another one is not started at once when there is no process to be had. */
const AGAIN_MS = 1000

class ShellKeeper implements GroupKeeper {
  readonly #groups = new Set<number>()
  #shell: ChildProcess | null = null
  #startedAt = 0
  #again: NodeJS.Timeout | null = null

  /** Ahead of the first group, so that nobody waits for it. */
  start(): void {
    if (this.#shell !== null || this.#again !== null || process.platform === 'win32') return
    // Nothing of this process's environment is its business.
    const options: SpawnOptions = { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/', env: {} }
    let shell: ChildProcess
    try {
      shell = spawn('/bin/sh', ['-c', SCRIPT], options)
    } catch {
      return this.#startLater()
    }
    this.#shell = shell
    this.#startedAt = performance.now()
    // It must not keep this process alive.
    shell.unref()
    if (shell.stdin !== null && 'unref' in shell.stdin && typeof shell.stdin.unref === 'function')
      shell.stdin.unref()
    shell.on('error', () => {
      if (shell.pid !== undefined || this.#shell !== shell) return
      this.#shell = null
      this.#startLater()
    })
    shell.on('exit', () => this.#lost(shell))
    shell.stdin?.on('error', () => {})
    for (const group of this.#groups) this.#tell('keep', group)
  }

  keep(group: number): void {
    this.#groups.add(group)
    if (this.#shell === null) this.start()
    else this.#tell('keep', group)
  }

  release(group: number): void {
    if (this.#groups.delete(group)) this.#tell('release', group)
  }

  #tell(what: 'keep' | 'release', group: number): void {
    this.#shell?.stdin?.write(`${what} ${group}\n`)
  }

  #startLater(): void {
    this.#again = setTimeout(() => {
      this.#again = null
      if (this.#groups.size > 0) this.start()
    }, AGAIN_MS).unref()
  }

  /** Somebody has killed it: whoever runs is kept by another one. */
  #lost(shell: ChildProcess): void {
    if (this.#shell !== shell) return
    this.#shell = null
    // One that does not last is no reason for a loop.
    if (performance.now() - this.#startedAt < AGAIN_MS) this.#startLater()
    else if (this.#groups.size > 0) this.start()
  }
}

/** One for the whole process (of this thread). */
const keeper = new ShellKeeper()

export const groupKeeper = (): GroupKeeper => {
  keeper.start()
  return keeper
}
