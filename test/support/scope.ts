/**
 * What tests start and leave on disk, and how it goes away again whatever the outcome.
 *
 * - scope: owns processes, sockets and directories; ends them last-made first
 * - probe: a question asked again until it says yes or the deadline is over
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'

export interface Scope {
  /** `end` is called when the scope ends, after those that were deferred later. */
  defer(end: () => unknown): void
  /** A fresh directory that everyone may enter, removed with all it holds. */
  tempDir(): string
}

const newScope = (atEnd: (end: () => Promise<void>) => void): Scope => {
  const ends: (() => unknown)[] = []
  atEnd(async () => {
    const failures: unknown[] = []
    for (const end of ends.splice(0).reverse()) {
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `clean-up failed: ${failures.join('; ')}`)
  })
  return {
    defer: (end) => void ends.push(end),
    tempDir: () => {
      const directory = mkdtempSync(join(tmpdir(), 'tidegate-test-'))
      ends.push(() => rmSync(directory, { recursive: true, force: true }))
      return directory
    },
  }
}

/** A scope that ends with the `describe` block (or file) it is made in. */
export const blockScope = (): Scope => newScope((end) => afterAll(end, 60_000))

/** A scope that ends with the test it is made in. */
export const testScope = (): Scope => newScope((end) => onTestFinished(end, 60_000))

const PROBE_EVERY_MS = 10

/** Asks `probe` until it gives something other than false, null or undefined, and resolves with that. */
export const eventually = async <T>(
  what: string,
  probe: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<NonNullable<Exclude<T, false>>> => {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await probe()
    if (answer !== false && answer !== null && answer !== undefined)
      return answer as NonNullable<Exclude<T, false>>
    if (Date.now() >= deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS))
  }
}

/** `promise`, or an error that says what was waited for. */
export const within = async <T>(deadlineMs: number, what: string, promise: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms in vain for ${what}`)), deadlineMs)
  })
  try {
    return await Promise.race([promise, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
