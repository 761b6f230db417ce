import { describe, expect, it } from 'vitest'
import { recordCommand } from '../../src/cli/commands/record.js'
import { wakeConfigOf } from '../../src/cli/commands/wake.js'
import { ONE_LINE, runCommand } from './recordings.js'

const TO = ['--to', 'postgres://me@db/traffic', '--spool', 's'] as const
const OUT = ['--out', 'x.pcapng'] as const

describe('flags of a recording that are wrong are told as flags, in one line, with exit code 2', () => {
  it.each<[readonly string[], string]>([
    [TO.slice(0, 2), '--spool is missing; expected with --to: a folder'],
    [[...TO.slice(0, 2), '--spool-size', '1GiB'], '--spool is missing; '],
    [[...TO.slice(0, 2), '--spool', ''], "--spool: found ''; expected a path"],
    [[...TO, '--spool-size', '1KiB'], "--spool-size: '1KiB' is out of range; expected 16MiB to "],
    [[...TO, ...OUT], '--out and --to: a recording goes to one place; expected one of the two'],
    [[...TO, '--rotate-size', '1MiB'], '--rotate-size: it has no meaning with --to: '],
    [[...TO, '--compress', 'gzip', '--keep-age', '1h'], '--compress: it has no meaning with --to: '],
    [['--to', 'kafka://b/t', '--spool', 's'], "--to: no sink is known for 'kafka:'; expected a URL "],
    [['--to', 'secret', '--spool', 's'], '--to: is no URL; expected a URL '],
    [['--to', '', '--spool', 's'], "--to: found ''; expected postgres://"],
    [[...OUT, '--spool', 's'], '--spool: it has no meaning with --out: '],
    [[...OUT, '--spool-size', '1GiB'], '--spool-size: it has no meaning with --out: '],
    [[...OUT, '--keep-files', '3'], '--keep-files: without rotation '],
    [[...OUT, '--rotate-every', '1h', '--keep-age', '0'], "--keep-age: '0' is out of range; expected "],
    [[...OUT, '--rotate-every', '1h', '--keep-size', '0'], "--keep-size: '0' is out of range; "],
    [[...OUT, '--rotate-every', '0'], "--rotate-every: '0' is out of range; expected at least 1s"],
    [[...OUT, '--rotate-size', '1KiB'], "--rotate-size: '1KiB' is out of range; expected 64KiB to "],
    [[...OUT, '--buffer', '0'], "--buffer: '0' is out of range; expected 1MiB to 1GiB"],
    [[...OUT, '--max-bytes', '2000000GiB'], "--max-bytes: '2000000GiB' is out of range; expected "],
    [[...OUT, '--min-free', '2000000GiB'], "--min-free: '2000000GiB' is out of range; expected "],
    [[...OUT, '--name', ''], "--name: found ''; expected 1 to 128 printable characters"],
    [
      [...OUT, '--redact', 'a.{0,3000}b', '--redact', 'c.{0,3000}d'],
      '--redact: pattern /c.{0,3000}d/: with this the rules have more than ',
    ],
    [['--out', 'a/{client}/../x'], "--out: 'a/{client}/../x': '..' after a placeholder "],
    [['--spool', 's'], '--out PATH is missing: '],
  ])('%j', async (flags, says) => {
    const ran = await runCommand(recordCommand, ['127.0.0.1:0', '127.0.0.1:1', ...flags])
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran.stderr).toContain(`tidegate: ${says}`)
    expect(ran.code).toBe(2)
  })

  it('each of several has its own line', async () => {
    const flags = [...OUT, '--rotate-every', '0', '--buffer', '0']
    const { stderr } = await runCommand(recordCommand, [':0', ':1', ...flags])
    expect(stderr.split('\n').map((line) => /--\w+/.exec(line)?.[0])).toEqual([
      '--buffer',
      '--rotate',
      undefined,
    ])
  })

  it('those of a recording that is none are refused where there may be none', () => {
    expect(() => wakeConfigOf(':0', [':1'], ['cat'], { keepSize: '1GiB' })).toThrow(
      /^--keep-size: nothing is recorded; expected --out PATH beside it, or --to for a database$/,
    )
  })
})
