/**
 * What the bench starts and leaves on disk, and how it goes away again whatever happens.
 *
 * - scope: owns programs, sockets and directories; ends them last-made first. A child scope ends with its parent at the
 *   latest.
 * - last resort: what is still there when this process exits is ended without waiting.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Scope {
  /** `end` is called when the scope ends, after those that were deferred later. Throws once the scope has ended. */
  defer(end: () => unknown): void
  /** A fresh directory, removed with all it holds. `within` (default: the system's for temporary files): where. */
  tempDir(within?: string): string
  child(): Scope
  /** Idempotent; never rejects: what could not be ended is left to the last resort. */
  end(): Promise<void>
}

const lastResorts = new Set<() => void>()

// Last-made first: a program is ended before the directory goes that it writes to.
process.on('exit', () => {
  for (const end of [...lastResorts].reverse()) {
    try {
      end()
    } catch {
      // The others still have to be ended.
    }
  }
})

/** Calls `end` when this process exits, unless what it returns was called before. */
export const lastResort = (end: () => void): (() => void) => {
  lastResorts.add(end)
  return () => void lastResorts.delete(end)
}

export const openScope = (): Scope => {
  const ends: (() => unknown)[] = []
  let ended: Promise<void> | null = null

  const endAll = async (): Promise<void> => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      try {
        await end()
      } catch {
        // The others still have to be ended.
      }
    }
  }

  const scope: Scope = {
    defer: (end) => {
      if (ended !== null) throw new Error('the bench is being ended')
      ends.push(end)
    },
    tempDir: (within = tmpdir()) => {
      const directory = mkdtempSync(join(within, 'tidegate-bench-'))
      const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
      const settled = lastResort(remove)
      scope.defer(() => {
        remove()
        settled()
      })
      return directory
    },
    child: () => {
      const child = openScope()
      scope.defer(child.end)
      return child
    },
    end: () => {
      ended ??= endAll()
      return ended
    },
  }
  return scope
}
