import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exportCommand } from '../../src/cli/commands/export.js'
import { inspectCommand } from '../../src/cli/commands/inspect.js'
import { verifyCommand } from '../../src/cli/commands/verify.js'
import { encodeGogetwayFrame } from '../../src/core/codec/gogetway/frame.js'
import { asPcap, HOLED, recorded, runCommand, utf8 } from './recordings.js'

const FRAMES = Buffer.concat(
  ['one', 'two\nt', 'three'].map((body, index) =>
    encodeGogetwayFrame({ timeNs: BigInt(index), type: 1, from: 'a:1', to: 'b:2', body: utf8(body) }),
  ),
)

const FILES = [HOLED, asPcap(HOLED), FRAMES] as const

/** A recording with some of its bytes changed, cut short, or with others after it. */
const mutated = fc
  .record({
    file: fc.constantFrom(...FILES),
    changes: fc.array(fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) }), { maxLength: 6 }),
    cut: fc.option(fc.nat()),
    tail: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ file, changes, cut, tail }) => {
    const bytes = Buffer.concat([file.subarray(0, cut === null ? file.length : cut % file.length), tail])
    for (const { at, to } of changes) if (bytes.length > 0) bytes[at % bytes.length] = to
    return bytes
  })

const COMMANDS = [
  { make: inspectCommand, args: ['-'] },
  { make: inspectCommand, args: ['-', '--connection', '2'] },
  { make: inspectCommand, args: ['-', '--connection', '1', '--as', 'raw', '--direction', 'upstream'] },
  { make: verifyCommand, args: ['-'] },
  { make: exportCommand, args: ['-', '--to', '-', '--format', 'jsonl'] },
  { make: exportCommand, args: ['-', '--to', '-', '--format', 'gogetway'] },
] as const

describe('whatever a file has in it', () => {
  it.each(COMMANDS)('$args ends with exit code 0 or 1, and plain lines on stderr', async ({ make, args }) => {
    await fc.assert(
      fc.asyncProperty(mutated, async (bytes) => {
        const stdin = (async function* () {
          yield bytes
        })()
        const ran = await runCommand(make, args, { stdin })
        expect([0, 1]).toContain(ran.code)
        expect(ran.stderr).toMatch(/^(tidegate: [^\n]+\n)*$/)
        expect(ran.stderr).not.toMatch(/Error|undefined|NaN|\bat \w+\.\w+ \(/)
      }),
      { numRuns: 200 },
    )
  })

  it('nothing a peer said, or a recorder claims, reaches the terminal as it is', async () => {
    const file = recorded((tape) => {
      const one = tape.connect(1, 'unix:/run/\x1b[31mclient')
      tape.say(one, 'upstream', '\x1b]0;title\x07')
      tape.writeAll()
      tape.say(one, 'upstream', 'lost')
      tape.write('\x1b[2J')
      tape.say(one, 'upstream', 'x')
      tape.hangUp(one)
    })
    for (const { make, args } of COMMANDS.slice(0, 4).filter(
      ({ args }) => !args.some((arg) => arg === 'raw'),
    )) {
      const stdin = (async function* () {
        yield file
      })()
      const words = args.map((word) => (word === '2' ? '1' : word))
      const { stdout, stderr } = await runCommand(make, words, { stdin })
      expect(stdout + stderr).not.toContain('\x1b')
    }
  })
})
