/**
 * Redaction: secrets masked in the stored copy of a stream. What is forwarded never comes by here.
 *
 * A rule says which bytes are secret by a regular expression over bytes. All matches count, wherever they begin and however long: a
 * byte that is in any of them is masked, every other byte is given out as it is, and none is added or left out. How the stream was cut into
 * chunks makes no difference.
 */

import { TidegateError } from '../../errors.js'
import { type Automaton, AutomatonBuilder } from './automaton.js'
import { PatternError, readPattern } from './pattern.js'
import { Ranges } from './ranges.js'
import { Skipper } from './skip.js'
import { States } from './states.js'
import { ByteStream, type Shared } from './stream.js'

/** One rule. Every byte that belongs to any match of `pattern` (that directly follows a match of `after`, if there is one) is masked. */
export interface RedactRule {
  /** JavaScript regex syntax without look-around, references and anchors. See docs/redaction.md. */
  readonly pattern: string
  /** What the match has to come directly after. Is not masked itself. Null: the match may be anywhere. */
  readonly after: string | null
  /** ASCII letters match in either case, in both. */
  readonly ignoreCase: boolean
}

/** Gets `bytes[from, to)`. They are the caller's chunk or the redaction's memory, to be used before it returns. It must not push. */
export type RedactOut = (bytes: Uint8Array, from: number, to: number) => void

/** The redaction of one stream: one direction of a connection. */
export interface RedactStream {
  /**
   * Takes the next bytes, which are neither kept nor changed, and gives out what is decided by now, in order. Over time each byte comes out
   * once, masked or not.
   */
  push(chunk: Uint8Array, out: RedactOut): void
  /**
   * The stream's end, a cut, or a hole of bytes that never came: gives out all that is held, decided as if nothing followed. What is pushed
   * after it is a new stream, to which nothing from before counts.
   */
  end(out: RedactOut): void
  /** Bytes taken and not given out yet, because they may still become part of a match: at most 65,536. */
  readonly held: number
}

export interface Redaction {
  /** Cheap: what the rules need is made once, and shared by all streams of the thread. */
  stream(): RedactStream
}

/** `*`, which is harmless in nearly all protocols and looks like what it is. */
const DEFAULT_MASK = 0x2a
const MASKED_LENGTH = 4_096
/** An error shows so much of a pattern. */
const SHOWN_LENGTH = 60

/**
 * Compiles the rules, once for any number of streams.
 *
 * @param mask The byte that takes the place of each that is masked; default `*`.
 * @throws TidegateError `value_invalid` that names the first rule with a mistake, the place in it and what was expected.
 */
export const compileRedaction = (rules: readonly RedactRule[], mask: number = DEFAULT_MASK): Redaction => {
  if (!Number.isInteger(mask) || mask < 0 || mask > 0xff) {
    throw new TidegateError('value_invalid', `mask ${mask} is not a byte; expected 0 to 255`, {
      fault: 'usage',
      where: 'mask',
    })
  }
  const automaton = automatonOf(rules)
  const shared: Shared = {
    states: new States(automaton),
    skipper: new Skipper(automaton),
    ranges: new Ranges(),
    maskByte: mask,
    masked: new Uint8Array(MASKED_LENGTH).fill(mask),
  }
  return { stream: () => new ByteStream(shared) }
}

const automatonOf = (rules: readonly RedactRule[]): Automaton => {
  const builder = new AutomatonBuilder()
  rules.forEach((rule, index) => {
    const { pattern, after, ignoreCase } = rule
    const before =
      after === null
        ? null
        : located(index, 'after', after, () => builder.addAfter(readPattern(after, ignoreCase)))
    located(index, 'pattern', pattern, () => builder.addPattern(readPattern(pattern, ignoreCase), before))
  })
  return builder.finish()
}

const located = <T>(index: number, field: 'pattern' | 'after', source: string, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    const place = error.index === null ? '' : ` at character ${error.index + 1}`
    throw new TidegateError(
      'value_invalid',
      `redaction rule ${index + 1}, ${field} ${shown(source)}${place}: ${error.message}`,
      { fault: 'usage', where: `rules[${index}].${field}`, cause: error },
    )
  }
}

const shown = (source: string): string => {
  const start = source.length > SHOWN_LENGTH ? `${source.slice(0, SHOWN_LENGTH)}…` : source
  return `/${start.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)}/`
}
