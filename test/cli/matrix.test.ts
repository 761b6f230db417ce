/** The reading commands give one answer, however the same recording comes: in one file or several, by directory or on stdin, compressed or not. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { exportCommand } from '../../src/cli/commands/export.js'
import { inspectCommand } from '../../src/cli/commands/inspect.js'
import { verifyCommand } from '../../src/cli/commands/verify.js'
import { SERIES_FILES } from '../core/reassembly/series.js'
import { runCommand, tempDir } from './recordings.js'

/** What is asked, with FILE where the recording's place stands. */
const ASKED = {
  'inspect, as a list': [inspectCommand, ['FILE', '--json']],
  'inspect, as a table': [inspectCommand, ['FILE']],
  'inspect, one conversation': [inspectCommand, ['FILE', '-c', '1']],
  'inspect, what was said': [inspectCommand, ['FILE', '-c', '1', '--as', 'raw', '--direction', 'upstream']],
  'export to JSON Lines': [exportCommand, ['FILE', '--to', '-', '--format', 'jsonl']],
  'export to pcapng': [exportCommand, ['FILE', '--to', '-', '--format', 'pcapng']],
  'export to gogetway': [exportCommand, ['FILE', '--to', '-', '--format', 'gogetway']],
  verify: [verifyCommand, ['FILE']],
  'verify, as JSON': [verifyCommand, ['FILE', '--json']],
} as const

const PLACES = ['one file', 'several files', 'a directory', 'stdin'] as const
const PRESSED = {
  plain: { ending: '', press: (bytes: Uint8Array): Uint8Array => bytes },
  gzip: { ending: '.gz', press: (bytes: Uint8Array): Uint8Array => gzipSync(bytes) },
} as const

/** The series in each place; the names say the opposite of its order. */
const placed = ({ ending, press }: (typeof PRESSED)[keyof typeof PRESSED]) => {
  const directory = tempDir()
  const folder = join(directory, 'rec/2026')
  mkdirSync(folder, { recursive: true })
  const pressed = SERIES_FILES.map(press)
  const paths = pressed.map((bytes, n) => {
    const path = join(folder, `${9 - n}.pcapng${ending}`)
    writeFileSync(path, bytes)
    return path
  })
  // One after the other, as `cat` makes it: sections, or members of gzip.
  const whole = Buffer.concat(pressed)
  const one = join(directory, `one.pcapng${ending}`)
  writeFileSync(one, whole)
  return { paths, whole, one, directory: join(directory, 'rec') }
}

/** Cut where no block and no member ends. */
async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 101) yield bytes.subarray(at, at + 101)
}

/** What it is called, and how many files there are, is all that differs. */
const withoutPlace = (text: string): string =>
  text.replace(/, 3 files$/gm, '').replace(/"file":"[^"]*"|"files":\d/g, '')

describe('one recording, wherever it comes from', () => {
  it.each(Object.entries(ASKED))('is the same for %s', async (_, [make, asked]) => {
    const answers: Record<string, unknown> = {}
    for (const [pressing, pressed] of Object.entries(PRESSED)) {
      const { paths, whole, one, directory } = placed(pressed)
      const inputs = { 'one file': [one], 'several files': paths, 'a directory': [directory], stdin: ['-'] }
      for (const place of PLACES) {
        const args = asked.flatMap((word) => (word === 'FILE' ? inputs[place] : [word]))
        const { code, bytes, stderr } = await runCommand(make, args, { stdin: inPieces(whole) })
        answers[`${place}, ${pressing}`] = {
          code,
          stdout: withoutPlace(bytes.toString('latin1')),
          stderr: withoutPlace(stderr),
        }
      }
    }
    const first = answers['a directory, plain'] as { stdout: string }
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/./) })
    expect(answers).toEqual(Object.fromEntries(Object.keys(answers).map((name) => [name, first])))
  })
})
