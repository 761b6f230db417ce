/** The command line: what to measure, for how long, and where it goes. */

import { join } from 'node:path'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { OTHER } from './contenders/all.js'

export interface Options {
  readonly rounds: number
  readonly seconds: number
  /** Parallel connections of bulk. */
  readonly streams: number
  /** Ids; null: all. */
  readonly figures: readonly string[] | null
  readonly contenders: readonly string[] | null
  readonly quick: boolean
  readonly pin: boolean
  /** Another build's `dist`, to measure beside this one, or null. */
  readonly other: string | null
  /** A JSON of an earlier run to report instead of measuring, or null. */
  readonly from: string | null
  /** Where the JSON is written. */
  readonly out: string
  readonly publish: boolean
}

const MOST_ROUNDS = 100
const MOST_SECONDS = 60
const MOST_STREAMS = 100
/** For a look whether everything works. */
const QUICK = { rounds: 1, seconds: 1 } as const
const DEFAULT = { rounds: 5, seconds: 2 } as const
const DEFAULT_STREAMS = 4

const wholeNumber = (most: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > most)
    throw new InvalidArgumentError(`expected a whole number from 1 to ${most}`)
  return value
}

const listOf = (known: readonly string[]) => (text: string, before: readonly string[] | undefined) => {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is not one of ${known.join(', ')}`)
  return [...(before ?? []), ...names]
}

interface Named {
  readonly id: string
  readonly title: string
}

/** What can be asked for. */
export interface Choices {
  readonly figures: readonly (Named & { readonly how: string })[]
  readonly contenders: readonly Named[]
}

interface Flags {
  readonly rounds?: number
  readonly seconds?: number
  readonly streams?: number
  readonly only?: readonly string[]
  readonly contenders?: readonly string[]
  readonly quick?: boolean
  readonly pin?: boolean
  readonly other?: string
  readonly from?: string
  readonly out?: string
  readonly publish?: boolean
}

const helpFor = ({ figures, contenders }: Choices): string => {
  const width = Math.max(...[...figures, ...contenders].map(({ id }) => id.length)) + 2
  const list = (entries: readonly (readonly [string, string])[]): string =>
    entries.map(([id, text]) => `  ${id.padEnd(width)}${text}`).join('\n')
  return `
Figures:
${list(figures.map(({ id, title }) => [id, title]))}

Contenders (one that is not installed is left out, by name):
${list(contenders.map(({ id, title }) => [id, title]))}

Examples:
  npm run bench                                              everything, about ten minutes
  npm run bench -- --quick                                   does everything work? figures are rough
  npm run bench -- --only bulk --contenders linux,haproxy    two of them, one figure
  npm run bench -- --only keep-alive --other ../before/dist --contenders linux,other-linux
                                                             two builds in one run, alternating
  npm run bench -- --publish                                 also into docs/performance.md and the chart

The table goes to stdout, progress to stderr. Ratios within one run are what counts; docs/performance.md says how to
read them. Exit codes: 0 fine, 1 something could not be measured, 2 wrong usage, 130 interrupted.
`
}

const commandFor = (choices: Choices): Command =>
  new Command('npm run bench --')
    .description('Measures Tidegate beside other TCP proxies, one thread each, alternating, on this machine.')
    .addOption(
      new Option('--rounds <n>', `times that each is measured (default: ${DEFAULT.rounds})`).argParser(
        wholeNumber(MOST_ROUNDS),
      ),
    )
    .addOption(
      new Option('--seconds <n>', `length of each measurement (default: ${DEFAULT.seconds})`).argParser(
        wholeNumber(MOST_SECONDS),
      ),
    )
    .addOption(
      new Option('--streams <n>', `connections that bulk goes over (default: ${DEFAULT_STREAMS})`).argParser(
        wholeNumber(MOST_STREAMS),
      ),
    )
    .addOption(
      new Option('--only <figures>', 'measure these only; separate by commas').argParser(
        listOf(choices.figures.map(({ id }) => id)),
      ),
    )
    .addOption(
      new Option('--contenders <names>', 'measure these only; separate by commas').argParser(
        listOf(choices.contenders.map(({ id }) => id)),
      ),
    )
    .addOption(new Option('--quick', 'one round of one second, few idle connections, no warm-up'))
    .addOption(new Option('--pin', 'give the contender a core of its own, load and backend the others'))
    .addOption(new Option('--other <dist>', "measure another build's engines, too"))
    .addOption(
      new Option('--from <json>', "report an earlier run's JSON instead of measuring").conflicts([
        'rounds',
        'seconds',
        'streams',
        'only',
        'contenders',
        'quick',
        'other',
        'out',
      ]),
    )
    .addOption(new Option('--out <json>', 'where to write the JSON (default: bench/results/latest.json)'))
    .addOption(
      new Option('--publish', 'refresh docs/performance.md and the chart').conflicts([
        'only',
        'contenders',
        'quick',
        'streams',
        'other',
      ]),
    )
    .addHelpText('after', helpFor(choices))
    .exitOverride()
    .configureOutput({ outputError: () => {} })

export type Parsed = { readonly options: Options } | { readonly exit: number; readonly complaint: string }

const wrong = (message: string): Parsed => ({
  exit: 2,
  complaint: `bench: ${message}; see 'npm run bench -- --help'\n`,
})

/** Reads a command line. Help has been printed by then, if it was asked for. */
export const parseOptions = (argv: readonly string[], choices: Choices, root: string): Parsed => {
  const command = commandFor(choices)
  try {
    command.parse([...argv], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.exitCode === 0) return { exit: 0, complaint: '' }
    return wrong(thrown.message.replace(/^error: |\.$/g, '').replaceAll('\n', ' '))
  }
  const flags = command.opts<Flags>()
  const lost = flags.contenders?.find((id) => id.startsWith(OTHER) && flags.other === undefined)
  if (lost !== undefined) return wrong(`option '--contenders': '${lost}' needs --other, the path of its dist`)
  const quick = flags.quick ?? false
  const usual = quick ? QUICK : DEFAULT
  return {
    options: {
      rounds: flags.rounds ?? usual.rounds,
      seconds: flags.seconds ?? usual.seconds,
      streams: flags.streams ?? DEFAULT_STREAMS,
      figures: flags.only ?? null,
      contenders: flags.contenders ?? null,
      quick,
      pin: flags.pin ?? false,
      other: flags.other ?? null,
      from: flags.from ?? null,
      out: flags.out ?? join(root, 'bench/results/latest.json'),
      publish: flags.publish ?? false,
    },
  }
}
