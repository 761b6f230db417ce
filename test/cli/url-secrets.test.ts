/** A URL in a place that is none for it: one line, which does not show its password. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { testScope } from '../support/scope.js'
import { tidegate } from '../support/tidegate.js'

const URL = 'postgres://someone:hunter2@db.internal/traffic'

const config = (record: string): string => {
  const path = join(testScope().tempDir(), 'gateway.yaml')
  writeFileSync(path, `listeners: [{ listen: 127.0.0.1:0, upstream: 127.0.0.1:1 }]\nrecord: ${record}\n`)
  return path
}

it.each<[string, () => readonly string[], RegExp]>([
  [
    'tail',
    () => ['tail', URL],
    /^tidegate: 'postgres:\/\/db\.internal\/traffic' is a URL, .* expected .*\n$/,
  ],
  [
    'export --to',
    () => ['export', 'test/fixtures', '--to', URL],
    /^tidegate: --to 'postgres:\/\/db\.internal\/traffic' is a URL: expected .*\n$/,
  ],
  [
    'check, of a file',
    () => ['check', config(`{ file: "${URL}" }`)],
    /record\.file: 'postgres:\/\/db\.internal\/traffic' is a URL; expected a path \(.*\n$/,
  ],
  [
    'check, of an option that there is not',
    () => ['check', config(`{ to: "${URL}?shcema=x", spool: { dir: spool } }`)],
    /record\.to: postgres:\/\/db\.internal\/traffic: there is no option 'shcema': expected one of schema, .*\n$/,
  ],
])('%s says what it expects, and not the password', async (_, args, expected) => {
  const { code, stdout, stderr } = await tidegate(args())
  expect(stderr).toMatch(expected)
  expect(`${stdout}${stderr}`).not.toContain('hunter2')
  expect(code).toBe(2)
})

it('check has it among the problems of its JSON', async () => {
  const { code, stdout } = await tidegate([
    'check',
    config(`{ to: "${URL}?shcema=x", spool: { dir: spool } }`),
    '--json',
  ])
  expect(JSON.parse(stdout.toString())).toMatchObject({ valid: false, problems: [{ path: 'record.to' }] })
  expect(code).toBe(2)
})
