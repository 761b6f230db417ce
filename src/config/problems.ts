/** What is wrong with a config: every problem with its path, what was found and what is accepted. */

import { distance } from 'fastest-levenshtein'
import { TidegateError } from '../errors.js'

export type PathSegment = string | number

export interface ConfigProblem {
  /** `listeners[1].timeouts.idle`; empty for the config as a whole. For an unknown key: the mapping it is in. */
  readonly path: string
  /** What stands there, as people would write it; `nothing` where it is missing. */
  readonly found: string
  /** What is accepted, e.g. `a duration, e.g. 30s`. */
  readonly expected: string
  /** One line with all of it, without the path. */
  readonly message: string
  /** What the user most likely meant. */
  readonly suggestion?: string
}

/** Beyond this a list of mistakes helps nobody; {@link ConfigError.problems} still has them all. */
const MAX_LINES = 50

/** `config_invalid`; the message has one line per problem, each `SOURCE: PATH: …`. */
export class ConfigError extends TidegateError {
  readonly problems: readonly ConfigProblem[]

  constructor(source: string, problems: readonly ConfigProblem[]) {
    const lines = problems
      .slice(0, MAX_LINES)
      .map(({ path, message }) => (path === '' ? `${source}: ${message}` : `${source}: ${path}: ${message}`))
    if (problems.length > MAX_LINES)
      lines.push(`${source}: … and ${problems.length - MAX_LINES} more problems`)
    super('config_invalid', lines.join('\n'), { fault: 'usage', where: source })
    this.problems = Object.freeze(problems.map((problem) => Object.freeze(problem)))
  }
}

const PLAIN_KEY = /^[A-Za-z_][\w-]*$/

const formatPath = (path: readonly PathSegment[]): string =>
  path
    .map((segment, index) => {
      if (typeof segment === 'number') return `[${segment}]`
      if (!PLAIN_KEY.test(segment)) return `[${oneLine(JSON.stringify(segment))}]`
      return index === 0 ? segment : `.${segment}`
    })
    .join('')

const MAX_LINE_LENGTH = 240

/** Control characters escaped and the end cut off, so that whatever a config holds, a problem stays one line. */
export const oneLine = (text: string): string => {
  const cut = text.length > MAX_LINE_LENGTH ? `${text.slice(0, MAX_LINE_LENGTH)}…` : text
  return cut.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => JSON.stringify(character).slice(1, -1))
}

const MAX_FOUND_LENGTH = 60

/** A value as a message shows it. */
export const describe = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  if (value === null) return 'nothing (null)'
  if (typeof value === 'string')
    return `'${value.length > MAX_FOUND_LENGTH ? `${value.slice(0, MAX_FOUND_LENGTH)}…` : value}'`
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'function') return 'a function'
  return String(value)
}

/** `a, b or c`. */
export const alternatives = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`

/** Case and separators are what people get wrong without noticing: `max_connections`. */
const bare = (word: string): string => word.toLowerCase().replace(/[-_ ]/g, '')

/** More typing errors than these make it another word; two swapped letters count as two. */
const MAX_TYPOS = 3

/** The candidate that `word` is most likely a misspelling of. */
export const closestTo = (word: string, candidates: readonly string[]): string | undefined => {
  const typos = Math.min(MAX_TYPOS, Math.floor(word.length / 2))
  const close = candidates
    .map((candidate) => ({ candidate, far: distance(bare(word), bare(candidate)) }))
    .filter(({ far, candidate }) => far <= typos && far < bare(candidate).length)
    .sort((a, b) => a.far - b.far)
  return close[0]?.candidate
}

interface ProblemParts {
  readonly found: string
  readonly expected: string
  /** What is said instead of `found FOUND`. */
  readonly lead?: string
  readonly suggestion?: string | undefined
}

/** A problem whose message is `LEAD; expected EXPECTED[; did you mean 'SUGGESTION'?]`. */
export const problemAt = (path: readonly PathSegment[], parts: ProblemParts): ConfigProblem => {
  const { found, expected, lead = `found ${found}`, suggestion } = parts
  const message = `${lead}; expected ${expected}`
  return suggestion === undefined
    ? { path: formatPath(path), found: oneLine(found), expected, message: oneLine(message) }
    : {
        path: formatPath(path),
        found: oneLine(found),
        expected,
        message: oneLine(`${message}; did you mean '${suggestion}'?`),
        suggestion,
      }
}
