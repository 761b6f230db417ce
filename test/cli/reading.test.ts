import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runWell } from '../support/processes.js'
import { eventually, testScope, within } from '../support/scope.js'
import { startTidegate, tidegate } from '../support/tidegate.js'
import { toolPath } from '../support/tools.js'
import { PING_PONG, recorded } from './recordings.js'

/** 20 MB in one connection, and 3000 short ones: more than any pipe holds, whatever of it is shown. */
const LONG = recorded((tape) => {
  const one = tape.connect(1)
  for (let turn = 0; turn < 300; turn++) {
    tape.say(one, 'upstream', new Uint8Array(65_000).fill(0x61))
    tape.writeAll()
  }
  tape.hangUp(one)
  for (let id = 2; id < 3000; id++) tape.hangUp(tape.connect(id))
})

/** Runs a command whose reader leaves after one byte; resolves with the command's exit code. */
const UNTIL_BYTE = ['bash', '-c', '"$@" | head -c 1 >&2; exit $PIPESTATUS', 'bash'] as const

describe('stdin that is a directory', () => {
  it.each([['inspect'], ['verify'], ['export', '--to', '-', '--format', 'jsonl']])(
    'is said to be one by %s',
    async (...command) => {
      const launcher = ['bash', '-c', '"$@" < /', 'bash']
      const { code, stdout, stderr } = await tidegate([...command, '-'], { launcher })
      expect({ code, stdout: stdout.toString(), stderr: stderr.toString() }).toEqual({
        code: 2,
        stdout: '',
        stderr:
          "tidegate: '-': stdin is a directory; expected a recording, or the directory's path in place of '-'\n",
      })
    },
  )
})

describe('a reader that leaves early', () => {
  it.each([
    ['the list', ['inspect', 'FILE']],
    ['a conversation', ['inspect', 'FILE', '--connection', '1', '--as', 'hex']],
    ['raw bytes', ['inspect', 'FILE', '--connection', '1', '--as', 'raw', '--direction', 'upstream']],
    ['an export', ['export', 'FILE', '--to', '-', '--format', 'jsonl']],
  ])('ends %s quietly', async (_, args) => {
    const scope = testScope()
    const file = join(scope.tempDir(), 'long.pcapng')
    writeFileSync(file, LONG)
    const command = args.map((word) => (word === 'FILE' ? file : word))
    const { daemon, noise } = startTidegate(scope, command, { launcher: UNTIL_BYTE })
    const { code } = await within(20_000, 'the command to end', daemon.exited)
    expect({ code, noise: noise.filter((line) => line.startsWith('tidegate')) }).toEqual({
      code: 0,
      noise: [],
    })
  })
})

describe('an export that is ended by hand', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing half-written behind on %s', async (signal) => {
    const scope = testScope()
    const directory = scope.tempDir()
    const [input, to] = [join(directory, 'input'), join(directory, 'out.jsonl')]
    await runWell(toolPath('mkfifo'), [input])
    // Opened for both, so that neither end waits for the other.
    const feed = await open(input, 'r+')
    scope.defer(() => feed.close())
    await feed.write(PING_PONG)
    const { daemon } = startTidegate(scope, ['export', input, '--to', to])
    await eventually('the export to begin', () => existsSync(`${to}.partial`))
    daemon.child.kill(signal)
    expect(await within(10_000, 'the export to end', daemon.exited)).toMatchObject({ signal })
    expect(readdirSync(directory)).toEqual(['input'])
  })
})
