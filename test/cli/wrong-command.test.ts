import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { expectFailure } from '../support/failure.js'
import { blockScope } from '../support/scope.js'

describe('a wrong command', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['a listen address without a port', ['relay', 'localhost', ':80'], /localhost.*port/],
    ['a target that is no address', ['relay', ':0', 'a:b:c'], /a:b:c/],
    ['a port that is too large', ['relay', ':70000', ':80'], /70000/],
    ['no target', ['relay', ':0'], /target/i],
    ['a command that there is not', ['rely', ':0', ':80'], /rely/],
    ['an option that there is not', ['relay', ':0', ':80', '--idel-timeout', '5s'], /idel-timeout/],
    ['a duration without a unit', ['relay', ':0', ':80', '--idle-timeout', '5'], /--idle-timeout.*unit/],
    ['a recording without a file', ['record', ':0', ':80'], /--out/],
    ['a policy that there is not', ['record', ':0', ':80', '--out', 'x', '--overload', 'wait'], /wait/],
    ['a network that is none', ['relay', ':0', ':80', '--allow', '10.0.0.0/99'], /10\.0\.0\.0\/99/],
    ['a service without a command', ['wake', ':0', ':80'], /COMMAND.*expected it behind --/],
    ['a service without a target', ['wake', ':0', '--', 'cat'], /TARGET/],
    ['a service at no address', ['wake', ':0', 'a:b:c', '--', 'cat'], /a:b:c/],
    ['a variable without a value', ['wake', ':0', ':80', '--env', 'PORT', '--', 'cat'], /--env.*PORT/],
    [
      'an unknown signal',
      ['wake', ':0', ':80', '--stop-signal', 'SIGX', '--', 'cat'],
      /--stop-signal: .*SIGTERM/,
    ],
    [
      'a pattern that is none',
      ['wake', ':0', ':80', '--ready-output', '(', '--', 'cat'],
      /regular expression/,
    ],
    ['a start of no time', ['wake', ':0', ':80', '--start', '0ms', '--', 'cat'], /: --start: /],
  ])('%s is one line and exit code 2', async (_, args, says) => {
    await expectFailure(args, 2, says)
  })
})

describe('a file that cannot be read', () => {
  const scope = blockScope()

  it.each(['inspect', 'verify'])(
    '%s of a file that is not there is one line and exit code 1',
    async (command) => {
      const file = join(scope.tempDir(), 'missing.pcapng')
      await expectFailure([command, file], 1, /missing\.pcapng/)
    },
  )

  it.each(['inspect', 'verify'])('%s of a directory is one line and exit code 1', async (command) => {
    const directory = join(scope.tempDir(), 'directory')
    mkdirSync(directory)
    await expectFailure([command, directory], 1, /directory/)
  })

  it.each(['inspect', 'verify'])('%s of a foreign file is one line and exit code 1', async (command) => {
    const file = join(scope.tempDir(), 'letter.txt')
    writeFileSync(file, 'Dear reader,\nthis is no recording.\n'.repeat(100))
    await expectFailure([command, file], 1, /letter\.txt/)
  })
})
