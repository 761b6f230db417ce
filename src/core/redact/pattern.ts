/**
 * Patterns: JavaScript regex syntax read into a small tree of byte sets, in which only what a set of byte strings can be
 * made of is left: sequence, choice, repetition. What cannot be said in it (look-around, references, ends of lines) is refused here, with
 * its place in the pattern.
 */

import { type AST, RegExpParser, RegExpSyntaxError } from '@eslint-community/regexpp'
import {
  ANY_BUT_LINE_FEED,
  type ByteSet,
  DIGITS,
  foldedOf,
  inverseOf,
  isEmpty,
  rangeOf,
  SPACES,
  setOf,
  unionOf,
  WORD,
} from './byte-set.js'

export type Pattern =
  | { readonly kind: 'byte'; readonly set: ByteSet }
  | { readonly kind: 'sequence'; readonly items: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  | { readonly kind: 'repeat'; readonly item: Pattern; readonly min: number; readonly max: number }

/** What is wrong with a pattern, and where in it. The caller knows whose pattern it is. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** Counted from 0 in UTF-16 units; null for the pattern as a whole. */
  readonly index: number | null

  constructor(message: string, index: number | null) {
    super(message)
    this.index = index
  }
}

/** Nobody writes one by hand that is longer, and the parser recurses. */
const MAX_PATTERN_LENGTH = 4_096
const ASCII_END = 0x80

const POSSIBLE = 'expected bytes, classes, groups, alternatives and repetitions'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

class Reader {
  readonly #ignoreCase: boolean

  constructor(ignoreCase: boolean) {
    this.#ignoreCase = ignoreCase
  }

  choice(alternatives: readonly AST.Alternative[]): Pattern {
    const options = alternatives.map(
      (each): Pattern => ({
        kind: 'sequence',
        items: each.elements.map((element) => this.#element(element)),
      }),
    )
    const [only] = options
    return options.length === 1 && only !== undefined ? only : { kind: 'choice', options }
  }

  #element(node: AST.Element): Pattern {
    switch (node.type) {
      case 'Character':
        return this.#character(node)
      case 'CharacterSet':
        return this.#byte(setOfEscape(node))
      case 'CharacterClass':
        return this.#class(node)
      case 'Group':
      case 'CapturingGroup':
        return this.choice(node.alternatives)
      case 'Quantifier':
        return this.#quantifier(node)
      case 'Assertion':
        throw new PatternError(`'${node.raw}' looks around a match; ${POSSIBLE}`, node.start)
      case 'Backreference':
        throw new PatternError(`'${node.raw}' refers to a group; ${POSSIBLE}`, node.start)
      case 'ExpressionCharacterClass':
        throw new PatternError(`'${node.raw}' is a class of the v flag; ${POSSIBLE}`, node.start)
    }
  }

  #character(node: AST.Character): Pattern {
    if (node.value < ASCII_END || isByteEscape(node)) return this.#byte(setOf(node.value))
    const text = String.fromCodePoint(node.value)
    const bytes = encoder.encode(text)
    if (decoder.decode(bytes) !== text) {
      throw new PatternError(`'${node.raw}' is half a character, which no bytes stand for`, node.start)
    }
    return { kind: 'sequence', items: Array.from(bytes, (byte) => ({ kind: 'byte', set: setOf(byte) })) }
  }

  #class(node: AST.CharacterClass): Pattern {
    const named = unionOf(
      node.elements.map((element) => {
        switch (element.type) {
          case 'Character':
            return setOf(byteOf(element))
          case 'CharacterClassRange':
            return rangeOf(byteOf(element.min), byteOf(element.max))
          case 'CharacterSet':
            return setOfEscape(element)
          default:
            throw new PatternError(`'${element.raw}' is a class of the v flag; ${POSSIBLE}`, element.start)
        }
      }),
    )
    const folded = this.#ignoreCase ? foldedOf(named) : named
    const set = node.negate ? inverseOf(folded) : folded
    if (isEmpty(set)) throw new PatternError(`'${node.raw}' takes no byte at all`, node.start)
    return { kind: 'byte', set }
  }

  #byte(set: ByteSet): Pattern {
    return { kind: 'byte', set: this.#ignoreCase ? foldedOf(set) : set }
  }

  #quantifier(node: AST.Quantifier): Pattern {
    if (!node.greedy) {
      throw new PatternError(
        `'${node.raw}' is lazy, which means nothing where all matches are masked; ` +
          "expected what must not be in it instead, as in '[^\"]*'",
        node.start,
      )
    }
    return { kind: 'repeat', item: this.#element(node.element), min: node.min, max: node.max }
  }
}

/** `\xHH` is that byte; every other way of writing a character is that character, in UTF-8. */
const isByteEscape = (node: AST.Character): boolean => node.raw.startsWith('\\x')

const byteOf = (node: AST.Character): number => {
  if (node.value < ASCII_END || isByteEscape(node)) return node.value
  throw new PatternError(
    `'${node.raw}' is several bytes, and a class takes one; expected ASCII or '\\xHH', or alternatives as in '(?:é|è)'`,
    node.start,
  )
}

const setOfEscape = (node: AST.CharacterSet): ByteSet => {
  const positive = { any: ANY_BUT_LINE_FEED, digit: DIGITS, space: SPACES, word: WORD }
  if (node.kind === 'property') {
    throw new PatternError(`'${node.raw}' is a class of characters, not of bytes; ${POSSIBLE}`, node.start)
  }
  const set = positive[node.kind]
  return node.kind !== 'any' && node.negate ? inverseOf(set) : set
}

const SYNTAX = 'expected the syntax of JavaScript regular expressions with the u flag'

/** The parser's message without what it says of the whole pattern: the caller says that. */
const reasonOf = (error: RegExpSyntaxError): string => {
  const reason = error.message.slice(error.message.lastIndexOf(': ') + 2)
  return `${reason.charAt(0).toLowerCase()}${reason.slice(1)}; ${SYNTAX}`
}

/** @throws PatternError */
export const readPattern = (source: string, ignoreCase: boolean): Pattern => {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new PatternError(`longer than ${MAX_PATTERN_LENGTH} characters`, null)
  }
  try {
    const parser = new RegExpParser({ ecmaVersion: 2024 })
    const parsed = parser.parsePattern(source, 0, source.length, { unicode: true })
    return new Reader(ignoreCase).choice(parsed.alternatives)
  } catch (error) {
    if (error instanceof RegExpSyntaxError) throw new PatternError(reasonOf(error), error.index)
    if (error instanceof RangeError) throw new PatternError('groups are nested too deeply', null)
    throw error
  }
}
