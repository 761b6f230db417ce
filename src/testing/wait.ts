/** Waiting in tests: for an event or a condition, never for a time, and never longer than a deadline. */

import assert from 'node:assert/strict'

/** Far beyond what any step takes on a busy machine; reached only when the behaviour is missing. */
export const DEADLINE_MS = 10_000

/** How often a condition without an event is looked at. */
const POLL_MS = 5

export const within = async <T>(promise: Promise<T>, what: string, ms: number = DEADLINE_MS): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `not within ${ms} ms: ${what}` })),
      ms,
    )
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}

export const until = async (
  condition: () => boolean,
  what: string,
  ms: number = DEADLINE_MS,
): Promise<void> => {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Resolves once `figure` has not changed for `quietMs`: a stalled sender, a finished burst. */
export const untilStill = async (figure: () => number, quietMs: number, what: string): Promise<void> => {
  let last = figure()
  let since = performance.now()
  await until(() => {
    const now = figure()
    if (now !== last) {
      last = now
      since = performance.now()
    }
    return performance.now() - since >= quietMs
  }, what)
}

export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

export const deferred = <T>(): Deferred<T> => {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
