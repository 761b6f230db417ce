/**
 * The rooms and who may import whom (docs/architecture.md) are kept by the linter. These tests show that its rules bite: in
 * a folder laid out like this repository, with this repository's biome.json, they break each rule once.
 */

import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

const CORE_PURE = 'The core is pure'
const CORE_INWARDS = 'The core imports only the core and errors'
const PORT = 'A port is only the interface'
const CONFIG = 'Config stands beside the ports'
const ENGINE = 'An engine moves bytes behind its port'
const APART = 'Engines do not import one another'
const SHARED = 'What engines share knows none of them'
const KOFFI = 'Dangerous code sits in one small corner'
const SINK = 'A sink stores bytes behind its port'
const SOURCE = 'A source yields recorded packets behind its port'
const DATABASE = 'What a sink and a source of one database share knows neither of them'
const PG = 'Only src/postgres talks to PostgreSQL'
const POOLS = 'Pools are for any program'
const CONTROL = 'Control is the composition root of the library'
const TESTING = 'A compliance suite knows the port'
const ERRORS = 'Errors are at the bottom'
const LIBRARY = 'The library must load without the command line'

/** A file that breaks one rule: where it is, what it says, the reason the linter has to give. */
const BROKEN: readonly (readonly [path: string, code: string, reason: string])[] = [
  ['src/core/session/x01.ts', `export { x } from 'node:fs'`, CORE_PURE],
  ['src/core/session/x02.ts', `export const x = import('node:timers/promises')`, CORE_PURE],
  ['src/core/session/x03.ts', `export { x } from '../../control/x.js'`, CORE_INWARDS],
  ['src/core/x04.ts', `export { x } from '../config/x.js'`, CORE_INWARDS],
  [
    'src/core/x05.ts',
    `import type { Engine } from '../ports/engine.js'\nexport type X = Engine`,
    CORE_INWARDS,
  ],
  ['src/core/x06.ts', `export * from '../index.js'`, CORE_INWARDS],
  ['src/core/x07.ts', `export const x = import('../cli/x.js')`, CORE_INWARDS],
  ['src/core/x08.ts', `export const x = Buffer.from('')`, 'The core works on Uint8Array'],
  ['src/core/x09.ts', 'export const x = process.env', 'The core knows no process'],
  ['src/core/x10.ts', 'export const x = () => setTimeout(x, 1)', 'The core has no timers'],
  ['src/core/x11.ts', 'export const x = performance.now()', 'The core reads no clock'],
  ['src/ports/x.ts', `import type { X } from '../engine/portable/x.js'\nexport type Y = X`, PORT],
  ['src/config/x.ts', `export { x } from '../control/x.js'`, CONFIG],
  ['src/engine/portable/x.ts', `export { x } from '../../sinks/file/x.js'`, ENGINE],
  ['src/engine/portable/y.ts', `import type { X } from '../../config/config.js'\nexport type Y = X`, ENGINE],
  ['src/engine/portable/z.ts', `export { x } from '../linux/x.js'`, APART],
  ['src/engine/linux/x.ts', `export { x } from '../portable/x.js'`, APART],
  ['src/engine/linux/y.ts', `export { x } from '../../control/x.js'`, ENGINE],
  ['src/engine/linux/z.ts', `import type * as Koffi from 'koffi'\nexport type X = typeof Koffi`, KOFFI],
  ['src/engine/linux/ffi/x.ts', `export { x } from '../../portable/x.js'`, APART],
  ['src/engine/shared/x.ts', `export { x } from '../portable/x.js'`, SHARED],
  ['src/engine/shared/y.ts', `export { x } from '../linux/x.js'`, SHARED],
  ['src/engine/portable/w.ts', `export { x } from 'koffi'`, KOFFI],
  ['src/control/z.ts', `export const x = import('koffi')`, KOFFI],
  ['src/cli/x.ts', `export { x } from 'koffi'`, KOFFI],
  ['src/sinks/file/x.ts', `export { x } from '../../engine/portable/x.js'`, SINK],
  ['src/sources/file/x.ts', `export { x } from '../../sinks/file/x.js'`, SOURCE],
  ['src/postgres/x.ts', `export { x } from '../sinks/postgres/x.js'`, DATABASE],
  ['src/postgres/y.ts', `export { x } from '../config/config.js'`, DATABASE],
  ['src/sinks/postgres/x.ts', `export { x } from '../../sources/postgres/x.js'`, SINK],
  ['src/sinks/postgres/y.ts', `export const x = import('pg')`, PG],
  ['src/sources/postgres/x.ts', `export { x } from 'pg-copy-streams'`, PG],
  ['src/control/w.ts', `import type * as Pg from 'pg'\nexport type X = typeof Pg`, PG],
  ['src/pools/x.ts', `export { x } from '../control/x.js'`, POOLS],
  ['src/pools/y.ts', `export { x } from '../engine/portable/x.js'`, POOLS],
  ['src/core/pool/x.ts', `export { x } from '../../pools/x.js'`, CORE_INWARDS],
  ['src/engine/shared/z.ts', `export { x } from '../../pools/x.js'`, ENGINE],
  ['src/record.ts', `export { x } from './testing/x.js'`, LIBRARY],
  ['src/pool.ts', `export { x } from './testing/x.js'`, LIBRARY],
  ['src/control/x.ts', `export { x } from '../cli/x.js'`, CONTROL],
  ['src/control/y.ts', `export { x } from '../testing/x.js'`, CONTROL],
  ['src/testing/x.ts', `export { x } from '../engine/portable/x.js'`, TESTING],
  ['src/testing/engine/x.ts', `export { x } from '../../engine/portable/x.js'`, TESTING],
  ['src/errors.ts', `export { x } from './core/x.js'`, ERRORS],
  ['src/index.ts', `export { x } from './cli/x.js'`, LIBRARY],
]

/** What must stay allowed, or the rules would forbid the architecture itself. */
const SOUND: readonly (readonly [path: string, code: string])[] = [
  ['src/core/session/good.ts', `export { x } from '../../errors.js'\nexport { y } from '../address.js'`],
  ['src/ports/good.ts', `import type { X } from '../core/address.js'\nexport type Y = X`],
  ['src/config/good.ts', `export { x } from '../core/address.js'\nexport { y } from 'node:fs'`],
  ['src/engine/portable/good.ts', `export { x } from '../../ports/engine.js'\nexport { y } from 'node:net'`],
  ['src/engine/linux/good.ts', `export { x } from '../shared/x.js'\nexport { y } from './ffi/x.js'`],
  ['src/engine/linux/ffi/good.ts', `export { x } from 'koffi'\nexport { y } from '../../../errors.js'`],
  ['src/engine/shared/good.ts', `export { x } from '../../errors.js'`],
  ['src/postgres/good.ts', `export { x } from '../config/units.js'\nexport const y = import('pg')`],
  [
    'src/sinks/postgres/good.ts',
    `export { x } from '../../postgres/x.js'\nexport { y } from '../../ports/sink.js'`,
  ],
  ['src/sinks/file/good.ts', `export { x } from '../../ports/store.js'`],
  [
    'src/pools/good.ts',
    `export { x } from '../core/pool/x.js'\nexport { y } from '../engine/shared/errors.js'`,
  ],
  ['src/control/good.ts', `export { x } from '../engine/portable/x.js'\nexport { y } from '../config/x.js'`],
  ['src/testing/index.ts', `export { x } from './engine/suite.js'\nexport { y } from '../ports/engine.js'`],
  ['src/cli/good.ts', `export { x } from '../control/x.js'`],
]

interface Diagnostic {
  readonly path: string
  readonly text: string
}

/** biome's report for people, the one that has the reasons, split into its diagnostics. */
const lint = (folder: string): Promise<readonly Diagnostic[]> =>
  new Promise((resolve, reject) => {
    const args = [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'lint', '--vcs-enabled=false']
    const options = { cwd: folder, env: { ...process.env, NO_COLOR: '1' } }
    execFile(
      process.execPath,
      [...args, '--colors=off', '--max-diagnostics=none', 'src'],
      options,
      (error, stdout, stderr) => {
        // Exit code 1 is what is expected here: there are diagnostics.
        if (error !== null && error.code !== 1) return reject(error)
        const starts = /^(?=src\/\S+:\d+:\d+ )/m
        const diagnostics = `${stdout}\n${stderr}`
          .split(starts)
          .filter((text) => text.startsWith('src/'))
          .map((text) => ({ path: text.slice(0, text.indexOf(':')), text }))
        resolve(diagnostics)
      },
    )
  })

describe('the linter', () => {
  let folder: string
  let diagnostics: readonly Diagnostic[]

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidegate-rooms-'))
    await copyFile(join(root, 'biome.json'), join(folder, 'biome.json'))
    for (const [path, code] of [...BROKEN, ...SOUND]) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), `${code}\n`)
    }
    diagnostics = await lint(folder)
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  it.each(BROKEN)('refuses in %s: %s', (path, _, reason) => {
    const texts = diagnostics.filter((diagnostic) => diagnostic.path === path).map(({ text }) => text)
    expect(texts.join('\n').replace(/\s+/g, ' ')).toContain(reason)
  })

  it.each(SOUND)('accepts in %s: %s', (path) => {
    expect(diagnostics.filter((diagnostic) => diagnostic.path === path)).toEqual([])
  })
})

describe('the core', () => {
  it('reads neither the clock nor chance, which the linter cannot tell from formatting a date', async () => {
    const paths = await readdir(join(root, 'src/core'), { recursive: true })
    const files = paths.filter((path) => path.endsWith('.ts'))
    expect(files.length).toBeGreaterThan(5)
    for (const path of files) {
      const code = await readFile(join(root, 'src/core', path), 'utf8')
      expect(code, path).not.toMatch(
        /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bglobalThis\b|\bcrypto\./,
      )
    }
  })
})
