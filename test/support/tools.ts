/**
 * The real programs that integration tests drive. A program that is missing skips its tests, and says so, on
 * somebody's machine; in CI, where `.ci/run` has installed them all, it fails them: a test that silently stops
 * running proves nothing.
 */

import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, it } from 'vitest'

/** Debian keeps the server's own programs out of PATH, one directory per major version; the newest is taken. */
const postgresDirectories = (): readonly string[] => {
  try {
    return readdirSync('/usr/lib/postgresql')
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join('/usr/lib/postgresql', version, 'bin'))
  } catch {
    return []
  }
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where the program is, or undefined. Also looks where daemons live, which a user's PATH often leaves out. */
export const findTool = (name: string): string | undefined =>
  [
    ...postgresDirectories(),
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/sbin',
    '/usr/local/sbin',
  ]
    .map((directory) => join(directory, name))
    .find(isExecutable)

/** The program's path; throws if it is not installed. */
export const toolPath = (name: string): string => {
  const path = findTool(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

/** `describe` for tests that need these programs. */
export const describeWith = (tools: readonly string[], name: string, body: () => void): void => {
  const missing = tools.filter((tool) => findTool(tool) === undefined)
  if (missing.length === 0) {
    describe(name, body)
    return
  }
  const why = `not installed: ${missing.join(', ')}`
  if (process.env.CI) {
    describe(name, () => {
      it('has every program it needs', () => {
        throw new Error(why)
      })
    })
    return
  }
  process.stderr.write(`SKIPPED ${name}: ${why}\n`)
  describe.skip(`${name} (skipped, ${why})`, body)
}
