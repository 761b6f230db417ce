/** What the engine suite is made of. */

import type { Engine } from '../../ports/engine.js'
import { type ComplianceCase, watchingTheProcess } from '../compliance-case.js'
import { until } from '../wait.js'
import { Scene } from './scene.js'
import { openSockets } from './system.js'

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
