/** How a command must end that cannot do what it is asked. */

import { expect } from 'vitest'
import { tidegate } from './tidegate.js'

/** One line, led by the program's name, and nothing that looks like a stack or an object. */
const ONE_LINE = /^tidegate: [^\n]+\n$/

/** Ends with this exit code and one line that says why. */
export const expectFailure = async (
  args: readonly string[],
  code: number,
  says: RegExp,
  launcher: readonly string[] = [],
): Promise<void> => {
  const finished = await tidegate(args, { timeoutMs: 15_000, launcher })
  expect(finished.stderr).toMatch(ONE_LINE)
  expect(finished.stderr).toMatch(says)
  expect(finished.stderr).not.toMatch(/^\s*at |node:internal|\bError\b:/m)
  expect(finished.stdout.toString()).toBe('')
  expect(finished.code, finished.stderr).toBe(code)
}
