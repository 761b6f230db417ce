/** Where recordings go that are no files: what a config may say of it. */

import { expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { type ParseOptions, parseConfig } from '../../src/config/parse.js'
import { ConfigError } from '../../src/config/problems.js'

const listeners = [{ listen: ':1', upstream: 'a:1' }]
const to = 'postgres://user:hunter2@host/traffic'
const spool = { dir: 'spool' }

type RecordInput = NonNullable<GatewayConfigInput['record']>

const placeOf = (record: RecordInput, options: ParseOptions = {}) =>
  parseConfig({ listeners, record }, 'config', options).record?.place

const linesOf = (record: RecordInput, options: ParseOptions = {}): readonly string[] => {
  try {
    placeOf(record, options)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`)
    throw error
  }
  return []
}

it('a URL and a spool, whose folder stands beside the config', () => {
  expect(placeOf({ to, spool }, { folder: '/etc/tidegate' })).toEqual({
    kind: 'sink',
    url: to,
    spool: { dir: '/etc/tidegate/spool', bytes: 1024 * 1024 * 1024 },
  })
})

it("a spool alone, where the program's sink takes what is recorded", () => {
  expect(placeOf({ spool: { dir: 'spool', size: '16MiB' } }, { ownSink: true })).toEqual({
    kind: 'sink',
    url: null,
    spool: { dir: 'spool', bytes: 16 * 1024 * 1024 },
  })
})

it.each<[RecordInput, string[]]>([
  [
    { to },
    ['record.spool: missing; expected { dir: PATH }, where on disk waits what the sink has not taken'],
  ],
  [{ to, spool: {} }, ['record.spool.dir: missing; expected a path']],
  [
    { to, spool: { dir: 'x', size: '1MiB' } },
    ["record.spool.size: '1MiB' is out of range; expected 16MiB to 1048576GiB"],
  ],
  [
    { to: 'mysql://user:hunter2@host/traffic', spool },
    [
      "record.to: no sink is known for 'mysql:'; expected a URL that begins with postgres:// or postgresql://",
    ],
  ],
  [
    { to: 'hunter2', spool },
    ['record.to: is no URL; expected a URL that begins with postgres:// or postgresql://'],
  ],
  [
    { file: 'x.pcapng', to, spool },
    ['record.to: given beside file, but a recording goes to one place; expected file or to'],
  ],
  [
    { file: 'x.pcapng', spool },
    ['record.spool: given, but a file needs none; expected to beside it, or nothing here'],
  ],
  [
    { to, spool, keep: { files: 3 } },
    [
      'record.keep: given, but what is recorded goes to a sink; expected a file to record to, or nothing here',
    ],
  ],
])('%j is told %j', (record, lines) => {
  expect(linesOf(record)).toEqual(lines)
})

it.each<[RecordInput, string[]]>([
  [{}, ['record.spool: missing; expected { dir: PATH }, where on disk waits what the sink has not taken']],
  [{ to, spool }, ["record.to: given, but the program's sink takes what is recorded; expected spool alone"]],
])("with a sink of the program's, %j is told %j", (record, lines) => {
  expect(linesOf(record, { ownSink: true })).toEqual(lines)
})

it('no message shows the password of a URL', () => {
  for (const url of [`${to}#`, to.replace('postgres', 'mysql'), to.replace('://', ':')])
    expect(linesOf({ to: url, file: 'x' }).join() + linesOf({ to: url }).join()).not.toContain('hunter2')
})
