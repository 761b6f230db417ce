/**
 * What contradicts itself in how traffic is recorded: no place to record to or two, settings of files beside a database.
 * Looks at the input as written, as `references.ts` does.
 */

import { isFields } from './as-written.js'
import { type ConfigProblem, problemAt } from './problems.js'

/** What only files have. */
const OF_FILES = ['rotate', 'compress', 'keep'] as const

const placeProblems = ({ file, to, spool, ...others }: Readonly<Record<string, unknown>>) => {
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

export const placeOfRecordProblems = (record: unknown): readonly ConfigProblem[] =>
  isFields(record) ? placeProblems(record) : []
