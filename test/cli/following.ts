/** `tail` in the tests' own process: what it shows so far, and its end. */

import { Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { tailCommand } from '../../src/cli/commands/tail.js'
import { eventually } from '../support/scope.js'
import { runCommand } from './recordings.js'

export const collector = () => {
  const found = { text: '' }
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      found.text += chunk.toString()
      done()
    },
  })
  return { found, stream }
}

/** Follows until it is told to stop. Resolves once it has looked at what is there. */
export const startTail = async (...args: readonly string[]) => {
  const out = collector()
  const errors = collector()
  let stop: () => void = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const ran = runCommand((io) => tailCommand({ ...io, stderr: errors.stream }, () => stopped), args, {
    stdout: out.stream,
  })
  onTestFinished(async () => {
    stop()
    await ran
  })
  await eventually('tail to follow', () => errors.found.text.includes('following'))
  return {
    lines: (): readonly string[] => out.found.text.split('\n').filter((line) => line !== ''),
    seen: (what: RegExp): Promise<unknown> =>
      eventually(`a line like ${what}`, () => what.test(out.found.text)),
    finish: async () => {
      stop()
      const { code } = await ran
      return { code, shown: out.found.text, stderr: errors.found.text }
    },
  }
}
