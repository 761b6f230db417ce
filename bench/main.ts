/** `npm run bench`: Tidegate beside its peers, in one run on this machine. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { allContenders } from './contenders/all.js'
import { FIGURES } from './figures/all.js'
import { openScope } from './machine/scope.js'
import { type Options, parseOptions } from './options.js'
import { showProgress } from './progress.js'
import { publish, toJson } from './report/publish.js'
import type { Results } from './report/results.js'
import { renderTables } from './report/table.js'
import { runBench } from './run.js'

/** From bench/.build/, where this is compiled to. */
const ROOT = resolve(import.meta.dirname, '../..')

const EXIT = { ok: 0, failed: 1 } as const

const chosen = <T extends { readonly id: string }>(
  all: readonly T[],
  ids: readonly string[] | null,
): readonly T[] => (ids === null ? all : all.filter(({ id }) => ids.includes(id)))

const measureAll = async (options: Options): Promise<Results> => {
  const scope = openScope()
  const progress = showProgress(process.stderr)
  let interrupted = false
  const interrupt = async (signal: NodeJS.Signals): Promise<void> => {
    const code = 128 + constants.signals[signal]
    if (interrupted) process.exit(code)
    interrupted = true
    progress.end()
    await scope.end()
    process.exit(code)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  try {
    return await runBench(scope, {
      figures: chosen(FIGURES, options.figures),
      contenders: chosen(
        allContenders(join(ROOT, 'dist'), options.other === null ? null : resolve(options.other)),
        options.contenders,
      ),
      options,
      progress: progress.show,
    })
  } finally {
    progress.end()
    await scope.end()
    // What was interrupted has nothing to report: the process is about to exit.
    if (interrupted) await new Promise(() => {})
  }
}

const readResults = (path: string): Results => {
  const results = JSON.parse(readFileSync(path, 'utf8')) as Results
  if (results.format !== 1) throw new Error(`${path} is not a JSON of this bench`)
  return results
}

/** What was measured in part only would pass for everything. */
const publishWhole = ({ figures, failures, ...rest }: Results): void => {
  const absent = FIGURES.filter(({ id }) => !figures.some((figure) => figure.id === id))
  if (failures.length > 0 || absent.length > 0)
    throw new Error('not published: not everything could be measured')
  publish({ figures, failures, ...rest }, ROOT)
}

const run = async (argv: readonly string[]): Promise<number> => {
  const choices = { figures: FIGURES, contenders: allContenders('', '') }
  const parsed = parseOptions(argv, choices, ROOT)
  if ('exit' in parsed) {
    process.stderr.write(parsed.complaint)
    return parsed.exit
  }
  const { options } = parsed
  if (process.platform !== 'linux' && options.from === null) {
    process.stderr.write('bench: it measures on Linux only, where /proc says what a process has used\n')
    return EXIT.failed
  }
  try {
    const results = options.from === null ? await measureAll(options) : readResults(options.from)
    process.stdout.write(renderTables(results))
    if (options.from === null) {
      mkdirSync(dirname(options.out), { recursive: true })
      writeFileSync(options.out, toJson(results))
    }
    if (options.publish) publishWhole(results)
    return results.failures.length > 0 || results.figures.length === 0 ? EXIT.failed : EXIT.ok
  } catch (thrown) {
    process.stderr.write(`bench: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
    return EXIT.failed
  }
}

process.exitCode = await run(process.argv.slice(2))
