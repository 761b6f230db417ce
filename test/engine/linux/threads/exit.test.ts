/** However a process ends while its threads are busy: at once, as asked, and never by an abort. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { type Scope, testScope, within } from '../../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const CODE = join(import.meta.dirname, 'process.mjs')

/** The threads are in another state each time. */
const ROUNDS = 5

interface Outcome {
  /** The exit code, or the signal. */
  readonly end: number | string
  readonly errors: string
  /** From `ready` on. */
  readonly tookMs: number
}

const play = async (scope: Scope, way: string, signal?: NodeJS.Signals): Promise<Outcome> => {
  const child = spawn(process.execPath, [CODE, way], { stdio: ['ignore', 'pipe', 'pipe'] })
  scope.defer(() => child.kill('SIGKILL'))
  const errors = text(child.stderr)
  const ended = once(child, 'exit')
  await within(10_000, 'the load runs', Promise.race([once(child.stdout, 'data'), ended]))
  const began = performance.now()
  if (signal !== undefined) child.kill(signal)
  const [code, by] = await within(10_000, 'the process ends', ended)
  return { end: code ?? by, errors: await errors, tookMs: performance.now() - began }
}

const WAYS: [name: string, way: string, end: number | string, signal?: NodeJS.Signals][] = [
  ['process.exit', 'exit', 4],
  ['process.exit from inside a turn of its engine', 'turn', 4],
  ['an error that nobody catches', 'throw', 1],
  ['having halted and terminated its threads', 'terminate', 4],
  ['process.exit in its threads', 'workerExit', 4],
  ['SIGTERM', 'signal', 'SIGTERM', 'SIGTERM'],
]

describe.skipIf(!isLinux)(`a process whose threads are busy${onLinux}`, () => {
  it.each(WAYS)('ends by %s', async (_name, way, end, signal) => {
    const scope = testScope()
    for (let round = 0; round < ROUNDS; round++) {
      const outcome = await play(scope, way, signal)
      expect(outcome.errors).not.toContain('FATAL')
      expect(outcome.end).toBe(end)
      expect(outcome.tookMs).toBeLessThan(3000)
    }
  })
})
