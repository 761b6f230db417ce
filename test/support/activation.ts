/** An activation under test, and what it has told. */

import { readFileSync } from 'node:fs'
import type { Activation, ActivationEnd, Activator } from '../../src/ports/activator.js'
import { type Scope, within } from './scope.js'

export interface Watched {
  readonly activation: Activation
  readonly ready: Promise<void>
  readonly ended: Promise<ActivationEnd>
  readonly lines: readonly { readonly line: string; readonly stream: string }[]
  readonly warnings: readonly string[]
  readonly counts: { readonly ready: number; readonly ended: number }
  /** Its pid, once there is one. */
  readonly pid: number
}

/** Killed at the latest when the scope ends. */
export const startActivation = (scope: Scope, activator: Activator): Watched => {
  const lines: { line: string; stream: string }[] = []
  const warnings: string[] = []
  const counts = { ready: 0, ended: 0 }
  let isReturned = false
  let tellReady = (): void => {}
  let tellEnded = (_: ActivationEnd): void => {}
  const ready = new Promise<void>((resolve) => {
    tellReady = resolve
  })
  const ended = new Promise<ActivationEnd>((resolve) => {
    tellEnded = resolve
  })
  const check = (): void => {
    if (!isReturned) throw new Error('told before start has returned')
    if (counts.ended > 0) throw new Error('told after its end')
  }
  const activation = activator.start({
    ready: () => {
      check()
      counts.ready++
      tellReady()
    },
    warning: (message) => {
      check()
      warnings.push(message)
    },
    output: (line, stream) => {
      check()
      lines.push({ line, stream })
    },
    ended: (how) => {
      check()
      counts.ended++
      tellEnded(how)
    },
  })
  isReturned = true
  scope.defer(async () => {
    if (counts.ended > 0) return
    activation.kill()
    await within(20_000, 'the end of an activation', ended)
  })
  return {
    activation,
    warnings,
    get ready() {
      return within(20_000, 'readiness', Promise.race([ready, ended.then(failed(counts))]))
    },
    get ended() {
      return within(20_000, 'the end', ended)
    },
    lines,
    counts,
    get pid() {
      if (activation.pid === null) throw new Error('it has no process')
      return activation.pid
    },
  }
}

const failed = (counts: { readonly ready: number }) => (how: ActivationEnd) => {
  if (counts.ready === 0) throw new Error(`it ended instead: ${how.message}; ${how.tail.join(' | ')}`)
}

/** Whether it runs, as opposed to waiting that its parent asks how it ended. */
export const isRunning = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !'ZX'.includes(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3))
  } catch {
    return false
  }
}
