/** An install of Tidegate without the packages for PostgreSQL, which are optional: it works, and says what is missing where they are needed. */

import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { run } from '../support/processes.js'
import { blockScope } from '../support/scope.js'

const ROOT = join(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly dependencies: object
  readonly optionalDependencies: object
}
const URL = 'postgres://tidegate:hunter2@127.0.0.1:1/traffic'
const MISSING =
  /^tidegate: PostgreSQL needs two packages that are not installed; add them with: npm install pg pg-copy-streams\n$/

const scope = blockScope()
let cli = ''

beforeAll(() => {
  const home = join(scope.tempDir(), 'node_modules')
  const tidegate = join(home, 'tidegate')
  mkdirSync(tidegate, { recursive: true })
  for (const part of ['dist', 'package.json'])
    cpSync(join(ROOT, part), join(tidegate, part), { recursive: true })
  // What they depend on is found where they really are.
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
    symlinkSync(join(ROOT, 'node_modules', name), join(home, name))
  cli = join(tidegate, 'dist/cli/main.js')
})

const tidegate = (...args: readonly string[]) => run(process.execPath, [cli, ...args])

it('looks for files as ever', async () => {
  const { code, stderr } = await tidegate('inspect', join(scope.tempDir(), 'none.pcapng'))
  expect(stderr).toMatch(/none\.pcapng': no such file \(ENOENT\)\n$/)
  expect(code).toBe(1)
})

it('commands that are to read a database say how to add them', async () => {
  const commands = [['inspect'], ['verify'], ['export', '--to', '-', '--format', 'jsonl']]
  const ends = await Promise.all(commands.map(([command = '', ...more]) => tidegate(command, URL, ...more)))
  for (const { code, stdout, stderr } of ends) {
    expect(stderr).toMatch(MISSING)
    expect(code).toBe(2)
    expect(stdout.toString()).toBe('')
  }
})

it('a gateway that is to record there says how to add them, and does not start', async () => {
  const folder = scope.tempDir()
  const config = join(folder, 'gateway.yaml')
  writeFileSync(
    config,
    `listeners: [{ listen: 127.0.0.1:0, upstream: 127.0.0.1:1 }]\nrecord: { to: "${URL}", spool: { dir: spool } }\nlog: { level: warn }\n`,
  )
  const { code, stderr } = await tidegate('serve', config)
  expect(stderr).toMatch(MISSING)
  expect(code).toBe(2)
})
