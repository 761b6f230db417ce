/** What a compliance suite is made of; any test runner can run it. */

import assert from 'node:assert/strict'

export interface ComplianceCase {
  /** A sentence about behaviour. Says so itself where this machine cannot check it. */
  readonly name: string
  /** Rejects if what is tested does not behave so. Leaves nothing behind. */
  run(): Promise<void>
  /** What a runner should allow, ms. */
  readonly timeoutMs: number
}

/** Runs `body` and fails if anything was left unhandled meanwhile: the process must never notice the trouble of what is tested. */
export const watchingTheProcess = async (body: () => Promise<void>): Promise<void> => {
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
