/**
 * What contradicts itself in how traffic is recorded: no place to record to or two, settings of files beside a database.
 * Looks at the input as written, as `references.ts` does.
 */

import * as zlib from 'node:zlib'
import { isTemplate, templateProblem, VALUE_NAMES } from '../core/record/files/template.js'
import { type Fields, isFields } from './as-written.js'
import { type ConfigProblem, closestTo, describe, problemAt } from './problems.js'

/** What only files have. */
const OF_FILES = ['rotate', 'compress', 'keep'] as const

const placeProblems = ({ file, to, spool, ...others }: Fields) => {
  const path = ['record'] as const
  if (file === undefined && to === undefined)
    return [
      problemAt([...path, 'file'], {
        found: 'nothing',
        lead: 'missing',
        expected: 'a path (or a database: to)',
      }),
    ]
  if (file !== undefined && to !== undefined)
    return [
      problemAt([...path, 'to'], {
        found: 'a URL',
        lead: 'given beside file, but a recording goes to one place',
        expected: 'file or to',
      }),
    ]
  if (to === undefined) return []
  const missing =
    spool === undefined
      ? [
          problemAt([...path, 'spool'], {
            found: 'nothing',
            lead: 'missing',
            expected: '{ dir: PATH }, where on disk waits what the database has not taken',
          }),
        ]
      : []
  const ofFiles = OF_FILES.filter((key) => others[key] !== undefined)
  return [
    ...missing,
    ...ofFiles.map((key) =>
      problemAt([...path, key], {
        found: key,
        lead: `given, but what is recorded goes to a database`,
        expected: 'file instead of to, or nothing here',
      }),
    ),
  ]
}

const templateProblems = ({ file }: Fields): readonly ConfigProblem[] => {
  if (typeof file !== 'string' || !isTemplate(file)) return []
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

export const placeOfRecordProblems = (record: unknown): readonly ConfigProblem[] =>
  isFields(record)
    ? [
        ...placeProblems(record),
        ...templateProblems(record),
        ...keepProblems(record),
        ...zstdProblems(record),
      ]
    : []
