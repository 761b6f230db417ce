/**
 * Ends the process groups that this process has started when it dies, in whatever way, and cannot do it any more: a tiny shell that
 * holds the reading end of a pipe. While this process lives, it is told which groups there are; when the pipe ends, it kills
 * them.
 *
 * - group: a process and all that it has started (process-group.ts), grandchildren included, unless they left it
 */

import { type ChildProcess, spawn } from 'node:child_process'
import type { GroupKeeper } from './process-group.js'

/** In a session of its own, deaf to what a terminal says, so that it ends after this process and not with it. */
const SCRIPT = `trap '' INT TERM HUP QUIT
groups=' '
while read -r what group; do
  case $what in
    keep) groups="$groups$group " ;;
    release) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`

class ShellKeeper implements GroupKeeper {
  readonly #groups = new Set<number>()
  #shell: ChildProcess | null = null

  /** Ahead of the first group, so that nobody waits for it. */
  start(): void {
    if (this.#shell !== null || process.platform === 'win32') return
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    })
    this.#shell = shell
    // It must not keep this process alive.
    shell.unref()
    if (shell.stdin !== null && 'unref' in shell.stdin && typeof shell.stdin.unref === 'function')
      shell.stdin.unref()
    shell.on('error', () => this.#lost(shell))
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

  /** Somebody has killed it: whoever runs is kept by another one. */
  #lost(shell: ChildProcess): void {
    if (this.#shell !== shell) return
    this.#shell = null
    if (this.#groups.size > 0) this.start()
  }
}

/** One for the whole process (of this thread). */
const keeper = new ShellKeeper()

export const groupKeeper = (): GroupKeeper => {
  keeper.start()
  return keeper
}
