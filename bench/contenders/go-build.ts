/** Builds Go programs from what is there: nothing is fetched. */

import { runProgram } from '../machine/programs.js'
import type { Scope } from '../machine/scope.js'
import { findTool } from '../machine/tools.js'

/** A first build compiles Go's own library, too. */
const BUILD_MS = 120_000

/** In a module's folder; `target` is what of it. Null: it is built. Else why it is missing. */
export const buildGo = async (
  scope: Scope,
  folder: string,
  program: string,
  target: string,
): Promise<string | null> => {
  const path = findTool('go')
  if (path === null) return 'go is not installed'
  try {
    await runProgram(scope, [path, 'build', '-o', program, target], {
      cwd: folder,
      env: { GOTOOLCHAIN: 'local', GOPROXY: 'off', GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' },
      timeoutMs: BUILD_MS,
    })
    return null
  } catch (thrown) {
    return `it could not be built: ${String(thrown)}`
  }
}
