/**
 * Patterns as one nondeterministic automaton, by Glushkov's construction (V. M. Glushkov, 1961): a state is a place in a pattern where a byte was just taken
 * (a _position_), so there are no steps without a byte. From a position the automaton goes to any that may
 * follow and takes the byte.
 *
 * A rule's `after` is positions too, _free_ ones: nothing has to be remembered of where they began. Where `after` is complete, the
 * rule's pattern may begin.
 */

import type { ByteSet } from './byte-set.js'
import { type Pattern, PatternError } from './pattern.js'

export interface Automaton {
  /** What position p takes. */
  readonly sets: readonly ByteSet[]
  /** The positions that may take the byte after the one position p took. */
  readonly follow: readonly Int32Array[]
  /** The first position with the same future as p, which will do for p in a state; -1 if nothing can come of p any more. */
  readonly alike: Int32Array
  /** 1 where a match may end with the byte position p took. */
  readonly accepts: Uint8Array
  /** Of free positions that complete an `after`: where the pattern then begins. Else empty. */
  readonly opens: readonly Int32Array[]
  /** Where a match may begin anywhere: first positions of patterns without `after`. */
  readonly firstHeld: Int32Array
  /** First positions of all `after`. */
  readonly firstFree: Int32Array
}

/** Bounds what a step can cost and what the deterministic states can need. */
const MAX_POSITIONS = 4_096
const MAX_STEPS = 65_536

/** Part of a pattern, laid out. */
interface Part {
  readonly nullable: boolean
  readonly first: readonly number[]
  readonly last: readonly number[]
}

const NOTHING: Part = { nullable: true, first: [], last: [] }

export class AutomatonBuilder {
  readonly #sets: ByteSet[] = []
  readonly #follow: number[][] = []
  readonly #accepting: number[] = []
  readonly #opens = new Map<number, readonly number[]>()
  readonly #firstHeld: number[] = []
  readonly #firstFree: number[] = []
  #steps = 0

  /** @throws PatternError: it matches the empty string, or there is too much of it. */
  addPattern(pattern: Pattern, after: Part | null): void {
    const part = this.#whole(pattern)
    this.#accepting.push(...part.last)
    if (after === null) this.#firstHeld.push(...part.first)
    else for (const position of after.last) this.#opens.set(position, part.first)
  }

  /** @throws PatternError: as above. */
  addAfter(pattern: Pattern): Part {
    const part = this.#whole(pattern)
    this.#firstFree.push(...part.first)
    return part
  }

  finish(): Automaton {
    const count = this.#sets.length
    const accepts = new Uint8Array(count)
    for (const position of this.#accepting) accepts[position] = 1
    const follow = this.#follow.map(ascending)
    const opens = this.#sets.map((_, position) => ascending(this.#opens.get(position) ?? []))
    return {
      sets: this.#sets,
      follow,
      alike: alikeOf(follow, opens),
      accepts,
      opens,
      firstHeld: ascending(this.#firstHeld),
      firstFree: ascending(this.#firstFree),
    }
  }

  #whole(pattern: Pattern): Part {
    const part = this.#part(pattern)
    if (part.nullable) throw new PatternError('matches the empty string; expected one byte at least', null)
    return part
  }

  #part(pattern: Pattern): Part {
    switch (pattern.kind) {
      case 'byte':
        return this.#byte(pattern.set)
      case 'sequence':
        return pattern.items
          .map((item) => this.#part(item))
          .reduceRight((rest, item) => this.#join(item, rest), NOTHING)
      case 'choice':
        return either(pattern.options.map((option) => this.#part(option)))
      case 'repeat':
        return this.#repeat(pattern.item, pattern.min, pattern.max)
    }
  }

  #byte(set: ByteSet): Part {
    const position = this.#sets.length
    if (position >= MAX_POSITIONS) {
      throw new PatternError(
        `with this the rules have more than ${MAX_POSITIONS} places for a byte, all repetitions counted; expected lower counts, or + or *`,
        null,
      )
    }
    this.#sets.push(set)
    this.#follow.push([])
    return { nullable: false, first: [position], last: [position] }
  }

  /** Copies, `min` of them required. Those beyond are nested, `(x(x)?)?`, so that each is followed by the next one only. */
  #repeat(item: Pattern, min: number, max: number): Part {
    if (max === 0) return NOTHING
    const before = this.#sets.length
    const copies = [this.#part(item)]
    if (this.#sets.length === before) return NOTHING
    const count = max === Number.POSITIVE_INFINITY ? Math.max(min, 1) : max
    while (copies.length < count) copies.push(this.#part(item))
    let rest = NOTHING
    for (let index = count - 1; index >= 0; index -= 1) {
      const copy = copies[index] ?? NOTHING
      if (index === count - 1 && max === Number.POSITIVE_INFINITY) this.#link(copy.last, copy.first)
      rest = this.#join(copy, rest)
      if (index >= min) rest = { ...rest, nullable: true }
    }
    return rest
  }

  #join(left: Part, right: Part): Part {
    this.#link(left.last, right.first)
    return {
      nullable: left.nullable && right.nullable,
      first: left.nullable ? [...left.first, ...right.first] : left.first,
      last: right.nullable ? [...left.last, ...right.last] : right.last,
    }
  }

  #link(from: readonly number[], to: readonly number[]): void {
    this.#steps += from.length * to.length
    if (this.#steps > MAX_STEPS) {
      throw new PatternError(
        `with this the rules have more than ${MAX_STEPS} ways from byte to byte; expected fewer optional parts inside repetitions`,
        null,
      )
    }
    for (const position of from) this.#follow[position]?.push(...to)
  }
}

const either = (parts: readonly Part[]): Part => ({
  nullable: parts.some((part) => part.nullable),
  first: parts.flatMap((part) => part.first),
  last: parts.flatMap((part) => part.last),
})

const ascending = (positions: readonly number[]): Int32Array => Int32Array.from(new Set(positions)).sort()

const alikeOf = (follow: readonly Int32Array[], opens: readonly Int32Array[]): Int32Array => {
  const byFuture = new Map<string, number>([['|', -1]])
  return Int32Array.from(follow, (next, position) => {
    const future = `${next.join()}|${opens[position]?.join() ?? ''}`
    const first = byFuture.get(future) ?? position
    byFuture.set(future, first)
    return first
  })
}
