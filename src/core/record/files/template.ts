/**
 * Where the files of a recording are, and what they are called. A path with placeholders:
 *
 *     template    = [ base "/" ] 1*segment           ; base: the leading folders without a placeholder
 *     segment     = 1*( text / time / value )
 *     time        = "%Y" / "%m" / "%d" / "%H" / "%M" / "%S" / "%%"     ; UTC, when the file was begun
 *     value       = "{client}" / "{listener}"        ; the client's IP address without port; the listener's name
 *
 * A template that ends in "/" is that folder with `%Y%m%dT%H%M%SZ.pcapng` in it. The base is the user's own and may be
 * any folder; what comes after it never leads out of it: `..` is refused there, and values cannot have a "/" (safe-name.ts).
 */

import { MAX_SAFE_NAME } from './safe-name.js'

export const TIME_LETTERS = ['Y', 'm', 'd', 'H', 'M', 'S'] as const
export const VALUE_NAMES = ['client', 'listener'] as const

type TimeLetter = (typeof TIME_LETTERS)[number]
export type ValueName = (typeof VALUE_NAMES)[number]

/** What stands for `{client}` and `{listener}`, safe already. */
export type TemplateValues = Readonly<Record<ValueName, string>>

type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'time'; readonly letter: TimeLetter }
  | { readonly kind: 'value'; readonly name: ValueName }

type Segment = readonly Token[]

export interface PathTemplate {
  /** As written, `.` where there is none. */
  readonly base: string
  /** Of the folders below the base, and of the file without its extension. */
  readonly folders: readonly Segment[]
  readonly stem: Segment
  /** With its dot; empty where the name ends in a placeholder, or has no dot. */
  readonly extension: string
  /** The values that part files from one another. */
  readonly splitsBy: readonly ValueName[]
}

/** What is wrong with a template. */
export interface TemplateProblem {
  readonly lead: string
  readonly expected: string
  /** The placeholder that there is not, in its braces. */
  readonly unknown?: string
}

export const PLACEHOLDERS = '%Y %m %d %H %M %S %% {client} {listener}'

const FOLDER_NAME = '%Y%m%dT%H%M%SZ.pcapng'

/** What a name may have, as most file systems allow it (NAME_MAX), less room for `-999999` and `.zst.part`. */
const MAX_SEGMENT_BYTES = 255 - 16

const TIME_WIDTH: Readonly<Record<TimeLetter, number>> = { Y: 4, m: 2, d: 2, H: 2, M: 2, S: 2 }

/** Whether it asks for more than the one file that it names. */
export const isTemplate = (path: string): boolean => /[%{}]|\/$/.test(path)

const isLetter = (letter: string | undefined): letter is TimeLetter =>
  (TIME_LETTERS as readonly (string | undefined)[]).includes(letter)
const isValue = (name: string | undefined): name is ValueName =>
  (VALUE_NAMES as readonly (string | undefined)[]).includes(name)

const unknownPlaceholder = (text: string): TemplateProblem => ({
  lead: `'${text}' is no placeholder`,
  expected: `one of ${PLACEHOLDERS}`,
  ...(text.startsWith('{') ? { unknown: text } : {}),
})

const tokenOf = (part: string): Token | TemplateProblem => {
  if (part === '%%') return { kind: 'text', text: '%' }
  if (part.startsWith('%')) {
    const letter = part[1]
    return isLetter(letter) ? { kind: 'time', letter } : unknownPlaceholder(part)
  }
  if (part.startsWith('{') || part === '}') {
    const name = /^\{(.*)\}$/.exec(part)?.[1]
    return isValue(name) ? { kind: 'value', name } : unknownPlaceholder(part)
  }
  return { kind: 'text', text: part }
}

const tokensOf = (segment: string): readonly (Token | TemplateProblem)[] =>
  (segment.match(/%.?|\{[^{}]*\}?|\}|[^%{}]+/gs) ?? []).map(tokenOf)

const isToken = (token: Token | TemplateProblem): token is Token => 'kind' in token

const longest = (segment: Segment): number =>
  segment.reduce((sum, token) => {
    if (token.kind === 'text') return sum + new TextEncoder().encode(token.text).length
    return sum + (token.kind === 'time' ? TIME_WIDTH[token.letter] : MAX_SAFE_NAME)
  }, 0)

const hasPlaceholder = (segment: string): boolean => /[%{}]/.test(segment)

interface Parts {
  readonly base: readonly string[]
  readonly rest: readonly string[]
}

const partsOf = (text: string): Parts => {
  const segments = (text.endsWith('/') ? text + FOLDER_NAME : text).split('/')
  const first = segments.findIndex(hasPlaceholder)
  const baseLength = first < 0 ? segments.length - 1 : first
  return { base: segments.slice(0, baseLength), rest: segments.slice(baseLength) }
}

const TOO_LONG = `at most ${MAX_SEGMENT_BYTES} bytes between two '/', where each {…} counts as ${MAX_SAFE_NAME}`

/** Null: it can be used. */
export const templateProblem = (text: string): TemplateProblem | null => {
  if (text === '')
    return { lead: 'an empty path', expected: 'the path of a file, or a folder that ends in /' }
  if (text.includes('\0')) return { lead: 'a NUL in it', expected: 'a path' }
  const compressed = /\.(gz|zst)(\.part)?$/.exec(text)?.[0]
  if (compressed !== undefined)
    return {
      lead: `'${compressed}' at its end is for files that have been compressed`,
      expected: 'another ending, .pcapng, and compress: gzip or zstd',
    }
  const { rest } = partsOf(text)
  for (const segment of rest) {
    const tokens = tokensOf(segment)
    const wrong = tokens.find((token) => !isToken(token))
    if (wrong !== undefined && !isToken(wrong)) return wrong
    if (segment === '..')
      return {
        lead: `'..' after a placeholder may lead out of its folder`,
        expected: `'..' before the first placeholder, or none`,
      }
    if (segment === '' || segment === '.')
      return { lead: segment === '' ? `'//'` : `'.' as a folder`, expected: 'the name of a folder' }
    if (longest(tokens.filter(isToken)) > MAX_SEGMENT_BYTES)
      return { lead: `'${segment.slice(0, 40)}…' is too long for a name`, expected: TOO_LONG }
  }
  return null
}

const spelled = (token: Token): string => {
  if (token.kind === 'text') return token.text.replaceAll('%', '%%')
  return token.kind === 'time' ? `%${token.letter}` : `{${token.name}}`
}

/** What of a template is below its base, spelled the same however it was written. */
export const templateName = ({ folders, stem, extension }: PathTemplate): string =>
  `${[...folders, stem].map((segment) => segment.map(spelled).join('')).join('/')}${extension}`

/** Its {@link templateProblem} has to be null. */
export const parseTemplate = (text: string): PathTemplate => {
  const { base, rest } = partsOf(text)
  const segments = rest.map((segment) => tokensOf(segment).filter(isToken))
  const stem = segments.at(-1) ?? []
  const last = stem.at(-1)
  // A name that is nothing else is a hidden file's.
  const named = stem.length > 1 ? /\.[A-Za-z0-9]+$/ : /(?<=.)\.[A-Za-z0-9]+$/
  const extension = last?.kind === 'text' ? (named.exec(last.text)?.[0] ?? '') : ''
  const shortened: readonly Token[] =
    last?.kind === 'text' && extension !== ''
      ? [...stem.slice(0, -1), { kind: 'text', text: last.text.slice(0, -extension.length) }]
      : stem
  const used = new Set(segments.flat().flatMap((token) => (token.kind === 'value' ? [token.name] : [])))
  return {
    base: base.length === 0 ? '.' : base.join('/') || '/',
    folders: segments.slice(0, -1),
    stem: shortened,
    extension,
    splitsBy: VALUE_NAMES.filter((name) => used.has(name)),
  }
}

const twoDigits = (value: number): string => String(value).padStart(2, '0')

const timeText = (letter: TimeLetter, date: Date): string => {
  switch (letter) {
    case 'Y':
      return String(date.getUTCFullYear()).padStart(4, '0')
    case 'm':
      return twoDigits(date.getUTCMonth() + 1)
    case 'd':
      return twoDigits(date.getUTCDate())
    case 'H':
      return twoDigits(date.getUTCHours())
    case 'M':
      return twoDigits(date.getUTCMinutes())
    case 'S':
      return twoDigits(date.getUTCSeconds())
  }
}

export interface ExpandedPath {
  /** Below the base, outermost first. */
  readonly folders: readonly string[]
  readonly stem: string
}

/** `timeMs`: since 1970. */
export const expandTemplate = (
  template: PathTemplate,
  timeMs: number,
  values: TemplateValues,
): ExpandedPath => {
  const date = new Date(timeMs)
  const textOf = (segment: Segment): string =>
    segment
      .map((token) => {
        if (token.kind === 'text') return token.text
        return token.kind === 'time' ? timeText(token.letter, date) : values[token.name]
      })
      .join('')
  return { folders: template.folders.map(textOf), stem: textOf(template.stem) }
}

/** The name of a file, where the first of its name is there already: `-1`, `-2`, … before the extension. */
export const numberedName = (stem: string, number: number, extension: string): string =>
  `${stem}${number === 0 ? '' : `-${number}`}${extension}`

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

const patternOf = (segment: Segment): string =>
  segment
    .map((token) => {
      if (token.kind === 'text') return escaped(token.text)
      return token.kind === 'time' ? `\\d{${TIME_WIDTH[token.letter]}}` : SAFE_PATTERN
    })
    .join('')

const SAFE_PATTERN = `[A-Za-z0-9_-][A-Za-z0-9._-]{0,${MAX_SAFE_NAME - 1}}`

export const COMPRESSED_ENDINGS = { gzip: '.gz', zstd: '.zst' } as const

/** What of a file's name says what became of it; null: it is none of the series. */
export interface SeriesMember {
  readonly compressed: 'gzip' | 'zstd' | null
  /** Its compression was not finished. */
  readonly partial: boolean
}

/** Which paths below the base (with "/") belong to the files that a template makes, compressed or not. */
export const seriesOf = (template: PathTemplate): ((relativePath: string) => SeriesMember | null) => {
  const folders = template.folders.map((segment) => `${patternOf(segment)}/`).join('')
  const name = `${patternOf(template.stem)}(?:-\\d+)?${escaped(template.extension)}`
  const pattern = new RegExp(`^${folders}${name}$`)
  return (relativePath) => {
    // First the ending: in a name without extension a value's dots would take it in.
    const [whole = '', ending, part] = /(?:(\.gz|\.zst)(\.part)?)?$/.exec(relativePath) ?? []
    if (!pattern.test(relativePath.slice(0, relativePath.length - whole.length))) return null
    const compressed = ending === undefined ? null : ending === '.gz' ? 'gzip' : 'zstd'
    return { compressed, partial: part !== undefined }
  }
}
