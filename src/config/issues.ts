/** From the schema's issues to problems people understand. */

import type * as z from 'zod'
import { KEY_SEPARATOR } from './leaves.js'
import {
  alternatives,
  type ConfigProblem,
  closestTo,
  describe,
  oneLine,
  type PathSegment,
  problemAt,
} from './problems.js'

type Issue = z.core.$ZodIssue
type Path = readonly PathSegment[]

const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  number: 'a whole number',
  int: 'a whole number',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

/** What is accepted, for issues whose schema does not say it itself. Given to the schema as its error map. */
export const expectation = (issue: z.core.$ZodRawIssue): string => {
  if (issue.code === 'invalid_type') return `expected ${NOUNS[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `expected ${alternatives(issue.values.map(String))}`
  if (issue.code === 'too_small' && issue.origin === 'array') return 'expected at least one'
  if (issue.code === 'too_small') return `expected a whole number of at least ${issue.minimum}`
  if (issue.code === 'too_big') return `expected a whole number of at most ${issue.maximum}`
  return 'expected something else'
}

const EXPECTED = 'expected '

/** The part of a leaf's own message that says what is accepted. */
const expectedIn = (message: string): string => {
  const at = message.lastIndexOf(EXPECTED)
  return at === -1 ? message : message.slice(at + EXPECTED.length)
}

const valueAt = (input: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, segment) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, segment)
        ? Reflect.get(value, segment)
        : undefined,
    input,
  )

/** What was likely meant comes before what is accepted, which may be long. */
const unknownKey = (path: Path, key: string, accepted: readonly string[]): ConfigProblem => {
  const parts = { found: `'${key}'`, lead: `unknown key '${key}'`, expected: alternatives(accepted) }
  const suggestion = closestTo(key, accepted)
  const problem = problemAt(path, parts)
  if (suggestion === undefined) return problem
  return {
    ...problem,
    message: oneLine(`${parts.lead}; did you mean '${suggestion}'? (expected ${parts.expected})`),
    suggestion,
  }
}

/** Says no more than that the value is of another type. */
const isOfOtherType = ({ code, path }: Issue, value: unknown): boolean =>
  path.length === 0 &&
  (code === 'invalid_type' || (code === 'invalid_value' && typeof value === 'object' && value !== null))

/** The issues of the one alternative whose type was meant, and best its keys; none if the value is of no accepted type. */
const meantAlternative = (
  alternativeIssues: readonly (readonly Issue[])[],
  value: unknown,
): readonly Issue[] => {
  const ofType = alternativeIssues.filter((issues) => !issues.some((issue) => isOfOtherType(issue, value)))
  return ofType.find((issues) => issues.every(({ path }) => path.length > 0)) ?? ofType[0] ?? []
}

const isSegment = (key: PropertyKey): key is PathSegment => typeof key !== 'symbol'

const problemsOfIssue = (issue: Issue, input: unknown, base: Path): ConfigProblem[] => {
  const path = [...base, ...issue.path.filter(isSegment)]
  const value = valueAt(input, path)
  const found = describe(value)
  const expected = expectedIn(issue.message)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const accepted = issue.message.split(KEY_SEPARATOR)
      return issue.keys.map((key) => unknownKey(path, key, accepted))
    }
    case 'invalid_union': {
      const meant = meantAlternative(issue.errors, value)
      if (meant.length > 0) return meant.flatMap((inner) => problemsOfIssue(inner, input, path))
      return [problemAt(path, { found, expected })]
    }
    case 'invalid_key': {
      const key = `'${path.at(-1)}'`
      const inner = issue.issues[0]?.message ?? ''
      return [
        problemAt(path.slice(0, -1), {
          found: key,
          lead: `${key} is not a name`,
          expected: expectedIn(inner),
        }),
      ]
    }
    case 'custom': {
      const [lead = ''] = issue.message.split(`; ${EXPECTED}`)
      return [problemAt(path, lead.startsWith(EXPECTED) ? { found, expected } : { found, expected, lead })]
    }
    case 'invalid_value': {
      const words = issue.values.map(String)
      const suggestion = typeof value === 'string' ? closestTo(value, words) : undefined
      return [problemAt(path, { found, expected, suggestion, ...missing(value) })]
    }
    default:
      return [problemAt(path, { found, expected, ...missing(value) })]
  }
}

const missing = (value: unknown): { readonly lead?: string } =>
  value === undefined ? { lead: 'missing' } : {}

export const problemsOf = (error: z.ZodError, input: unknown): ConfigProblem[] =>
  error.issues.flatMap((issue) => problemsOfIssue(issue, input, []))
