/** What a compliance suite is made of; any test runner can run it. */

import assert from 'node:assert/strict'
import type { Engine } from '../../ports/engine.js'
import { Scene } from './scene.js'
import { openSockets } from './system.js'
import { until } from './wait.js'

export interface ComplianceCase {
  /** A sentence about behaviour. Says so itself where this machine cannot check it. */
  readonly name: string
  /** Rejects if the engine does not behave so. Leaves nothing behind. */
  run(): Promise<void>
  /** What a runner should allow, ms. */
  readonly timeoutMs: number
}

/** A case before it is bound to an engine. */
export interface CaseTemplate {
  readonly name: string
  readonly timeoutMs: number
  readonly play: (scene: Scene) => Promise<void>
}

/** Generous: a case takes milliseconds, and a busy machine must not fail it. */
const DEFAULT_TIMEOUT_MS = 30_000

export const engineCase = (
  name: string,
  play: (scene: Scene) => Promise<void>,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): CaseTemplate => ({ name, timeoutMs, play })

/** Runs `body` and fails if anything was left unhandled meanwhile: the process must never notice an engine's trouble. */
const watchingTheProcess = async (body: () => Promise<void>): Promise<void> => {
  const trouble: unknown[] = []
  const onTrouble = (what: unknown): void => void trouble.push(what)
  const onWarning = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') trouble.push(warning)
  }
  process.on('unhandledRejection', onTrouble)
  process.on('uncaughtException', onTrouble)
  process.on('warning', onWarning)
  try {
    await body()
    // Unhandled rejections and warnings are told after the microtasks of the turn.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', onTrouble)
    process.off('uncaughtException', onTrouble)
    process.off('warning', onWarning)
  }
  assert.deepEqual(trouble, [], 'nothing is left unhandled')
}

export const bindCase = (template: CaseTemplate, createEngine: () => Engine): ComplianceCase => ({
  name: template.name,
  timeoutMs: template.timeoutMs,
  run: () =>
    watchingTheProcess(async () => {
      const before = openSockets()
      const scene = new Scene(createEngine())
      try {
        await template.play(scene)
      } finally {
        await scene.close()
      }
      if (before !== null)
        await until(() => (openSockets() ?? 0) <= before, 'every socket of the case is closed')
    }),
})
