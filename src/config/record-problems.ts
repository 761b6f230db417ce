/**
 * What contradicts itself in how traffic is recorded: no place to record to or two, settings of files beside a sink.
 * Looks at the input as written, as `references.ts` does.
 */

import * as zlib from 'node:zlib'
import { SINK_SCHEMES } from '../core/record/delivery/sink-url.js'
import { isTemplate, templateProblem, VALUE_NAMES } from '../core/record/files/template.js'
import { looksLikeUrl, safeUrl } from '../core/safe-url.js'
import { type Fields, isFields } from './as-written.js'
import {
  alternatives,
  type ConfigProblem,
  closestTo,
  describe,
  type PathSegment,
  problemAt,
} from './problems.js'

/** What only files have. */
const OF_FILES = ['rotate', 'compress', 'keep'] as const

const EXPECTED_SPOOL = '{ dir: PATH }, where on disk waits what the sink has not taken'
const EXPECTED_URL = `a URL that begins with ${alternatives(SINK_SCHEMES.map((scheme) => `${scheme}://`))}`

const problem = (key: PathSegment, found: string, lead: string, expected: string): ConfigProblem =>
  problemAt(['record', key], { found, lead, expected })

const urlProblems = (to: unknown): readonly ConfigProblem[] => {
  if (typeof to !== 'string') return []
  if (SINK_SCHEMES.some((scheme) => to.startsWith(`${scheme}://`)))
    return URL.canParse(to) && !safeUrl(to).endsWith('…')
      ? []
      : [
          problem(
            'to',
            'a URL',
            'cannot be taken apart',
            `${EXPECTED_URL}, with /, ?, # and @ in a password as %2F, %3F, %23 and %40`,
          ),
        ]
  // Not the rest: it may have a password.
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(to)?.[0]
  const found = scheme === undefined ? 'a text that is no URL' : describe(scheme)
  const lead = scheme === undefined ? 'is no URL' : `no sink is known for ${found}`
  return [problem('to', found, lead, EXPECTED_URL)]
}

const spoolProblems = (spool: unknown): readonly ConfigProblem[] => {
  if (spool === undefined) return [problem('spool', 'nothing', 'missing', EXPECTED_SPOOL)]
  if (!isFields(spool) || spool.dir !== undefined) return []
  return [problemAt(['record', 'spool', 'dir'], { found: 'nothing', lead: 'missing', expected: 'a path' })]
}

const fileProblems = (record: Fields): readonly ConfigProblem[] =>
  OF_FILES.filter((key) => record[key] !== undefined).map((key) =>
    problem(key, key, 'given, but what is recorded goes to a sink', 'a file to record to, or nothing here'),
  )

/** Where it goes when the config does not say. */
const elsewhereProblems = ({ file, to }: Fields): readonly ConfigProblem[] =>
  (['file', 'to'] as const).flatMap((key) =>
    ({ file, to })[key] === undefined
      ? []
      : [problem(key, key, `given, but the program's sink takes what is recorded`, 'spool alone')],
  )

const placeProblems = (record: Fields, ownSink: boolean): readonly ConfigProblem[] => {
  const { file, to, spool } = record
  if (ownSink) return [...elsewhereProblems(record), ...spoolProblems(spool), ...fileProblems(record)]
  if (file === undefined && to === undefined)
    return [problem('file', 'nothing', 'missing', 'a path (or a database: to)')]
  if (file !== undefined && to !== undefined)
    return [problem('to', 'a URL', 'given beside file, but a recording goes to one place', 'file or to')]
  if (to !== undefined) return [...urlProblems(to), ...spoolProblems(spool), ...fileProblems(record)]
  return spool === undefined
    ? []
    : [problem('spool', 'spool', 'given, but a file needs none', 'to beside it, or nothing here')]
}

/** A database goes by another key; and what is shown of a file's path would show its password. */
const fileUrlProblems = ({ file }: Fields): readonly ConfigProblem[] =>
  typeof file === 'string' && looksLikeUrl(file)
    ? [
        problem(
          'file',
          `'${safeUrl(file)}'`,
          `'${safeUrl(file)}' is a URL`,
          'a path (a database goes under to)',
        ),
      ]
    : []

const templateProblems = ({ file }: Fields): readonly ConfigProblem[] => {
  // Of a NUL every path is told already.
  if (typeof file !== 'string' || file.includes('\0') || !isTemplate(file)) return []
  const problem = templateProblem(file)
  if (problem === null) return []
  const { lead, expected, unknown } = problem
  const suggestion = unknown === undefined ? undefined : closestTo(unknown, VALUE_PLACEHOLDERS)
  return [
    problemAt(['record', 'file'], {
      found: describe(file),
      lead: `${describe(file)}: ${lead}`,
      expected,
      suggestion,
    }),
  ]
}

const VALUE_PLACEHOLDERS = VALUE_NAMES.map((name) => `{${name}}`)

/** What closes files; without it there is nothing to compress while the gateway runs, and nothing to remove. */
const rotates = ({ rotate }: Fields): boolean =>
  !isFields(rotate) ? rotate !== undefined : rotate.size !== undefined || rotate.every !== undefined

const keepProblems = (record: Fields): readonly ConfigProblem[] =>
  record.keep === undefined || record.to !== undefined || rotates(record)
    ? []
    : [
        problemAt(['record', 'keep'], {
          found: 'keep',
          lead: 'given, but without rotate no file is ever closed, and the one that is written is never removed',
          expected: 'rotate: { size: SIZE } or { every: DURATION } beside it',
        }),
      ]

const zstdProblems = ({ compress }: Fields): readonly ConfigProblem[] =>
  compress !== 'zstd' || 'createZstdCompress' in zlib
    ? []
    : [
        problemAt(['record', 'compress'], {
          found: "'zstd'",
          lead: `'zstd' needs Node 22.15 or newer, and this is ${process.version}`,
          expected: 'gzip, or a newer Node',
        }),
      ]

/** `ownSink`: the program takes what is recorded. */
export const placeOfRecordProblems = (record: unknown, ownSink: boolean): readonly ConfigProblem[] =>
  isFields(record)
    ? [
        ...placeProblems(record, ownSink),
        ...fileUrlProblems(record),
        ...templateProblems(record),
        ...keepProblems(record),
        ...zstdProblems(record),
      ]
    : []
