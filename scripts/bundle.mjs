/**
 * Puts what the compiler has made (`build/`, one file per module) together in `dist/`, with the packages among
 * `devDependencies` that it uses: some seventy files in place of a thousand, as finding and reading them was half of a command's start,
 * and of a worker's. The packages among the other dependencies stay outside: native ones, those with threads of their own, and those
 * that are not for everybody.
 *
 * All entries are made in one go and share their parts, in `dist/lib/`: so there is one of each class in a process, whichever
 * entries it imports.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const manifestIn = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))

/** What the package exports, and its command. */
const ENTRIES = ['index', 'pool', 'record', 'recording', 'testing/index', 'cli/main']
/** They are started by name from their parts, so they lie beside them. */
const THREADS = ['control/recording/writer-thread', 'control/workers/worker']
const PARTS = 'lib'

const fileOf = (entry) => at(`build/${entry}.js`)
const nameOfThread = (thread) => `${PARTS}/${thread.split('/').at(-1)}`

const { dependencies, optionalDependencies, peerDependencies } = manifestIn(at('.'))
const outside = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })

const bundle = await rolldown({
  input: Object.fromEntries([
    ...ENTRIES.map((entry) => [entry, fileOf(entry)]),
    ...THREADS.map((thread) => [nameOfThread(thread), fileOf(thread)]),
  ]),
  external: (id) => outside.some((name) => id === name || id.startsWith(`${name}/`)),
  platform: 'node',
  // The comments name each module's file from here, and the names of the parts are made of all that is in them.
  cwd: at('.'),
})
const { output } = await bundle.write({
  dir: at('dist'),
  entryFileNames: '[name].js',
  chunkFileNames: `${PARTS}/[name]-[hash].js`,
})

// What they look for is beside the parts, or two folders above.
for (const { fileName, code } of output)
  if (!fileName.startsWith(PARTS) && /import\.meta\.(url|dirname|filename)/.test(code))
    throw new Error(`${fileName} is not in ${PARTS}/ and uses its own place`)

/** The declarations stay one file per module. Those that the exports lead to name nothing that is not installed with the package. */
const declared = new Set()
const checkDeclaration = (file) => {
  if (declared.has(file)) return
  declared.add(file)
  // What examples in comments import is not meant.
  const text = readFileSync(file, 'utf8').replace(/\/\*.*?\*\//gs, '')
  for (const [, id] of text.matchAll(/\b(?:from|import)[ (]+['"]([^'"]+)['"]/g))
    if (id.startsWith('.')) checkDeclaration(join(dirname(file), id.replace(/\.js$/, '.d.ts')))
    else if (!id.startsWith('node:'))
      throw new Error(`${file} names ${id}, which those who use it may not have`)
}
for (const entry of ENTRIES) if (entry !== 'cli/main') checkDeclaration(at(`dist/${entry}.d.ts`))

for (const file of readdirSync(at('dist'), { recursive: true, withFileTypes: true })) {
  const path = join(file.parentPath, file.name)
  if (path.endsWith('.d.ts') && !declared.has(path)) rmSync(path)
}

/** Who wrote it wants to be named where it is copied. */
const licenceOf = (folder) => {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  if (file === undefined) throw new Error(`${folder} has no licence and is in the bundle`)
  const { name, version, license } = manifestIn(folder)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}
const modules = output.flatMap(({ moduleIds = [] }) => moduleIds)
const folders = modules.flatMap(
  (id) => id.match(/^.*[\\/]node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+/)?.[0] ?? [],
)
// Its helpers around CommonJS modules are in the bundle, too.
folders.push(dirname(createRequire(import.meta.url).resolve('rolldown/package.json')))
writeFileSync(
  at('dist/THIRD-PARTY-LICENSES.txt'),
  [...new Set(folders)]
    .sort()
    .map(licenceOf)
    .join(`\n${'-'.repeat(80)}\n\n`),
)
