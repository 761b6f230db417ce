/** What is built, as a program in TypeScript sees it that has nothing else installed. */

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from './support/processes.js'
import { testScope } from './support/scope.js'

const ROOT = join(import.meta.dirname, '..')
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')
const ENTRIES = ['tidegate', 'tidegate/pool', 'tidegate/record', 'tidegate/recording', 'tidegate/testing']

const compilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  target: 'es2023',
  module: 'nodenext',
  types: ['node'],
}

it('has all types that it needs, and says what is wrong with a config', async () => {
  const home = testScope().tempDir()
  const modules = join(home, 'node_modules')
  mkdirSync(join(modules, 'tidegate'), { recursive: true })
  mkdirSync(join(modules, '@types'))
  for (const part of ['dist', 'package.json'])
    cpSync(join(ROOT, part), join(modules, 'tidegate', part), { recursive: true })
  for (const name of ['@types/node', 'undici-types'])
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }))
  writeFileSync(
    join(home, 'main.ts'),
    [
      ...ENTRIES.map((entry, n) => `export * as part${n} from '${entry}'`),
      "import { createGateway } from 'tidegate'",
      "await createGateway({ listeners: [{ listen: ':0', upstream: ':1', timeouts: { idle: 5 } }] })",
      "await createGateway({ listeners: [{ listen: ':0', overflow: 'wiat' }] })",
    ].join('\n'),
  )
  const { code, stdout } = await run(process.execPath, [TSC, '--pretty', 'false', '-p', home])
  expect(stdout.toString().trim().split('\n')).toEqual([expect.stringMatching(/^\S*main\.ts\(8,.*"wiat"/)])
  expect(code).not.toBe(0)
})
