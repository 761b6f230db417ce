/** Where nothing is alive: which bytes need no look at, because no match can begin with them. */

import type { Automaton } from './automaton.js'
import { BYTE_VALUES } from './byte-set.js'

export class Skipper {
  /** 1 for bytes that a match, or what it has to come after, may begin with. */
  readonly #begins: Uint8Array

  constructor(automaton: Automaton) {
    this.#begins = new Uint8Array(BYTE_VALUES)
    for (const first of [automaton.firstHeld, automaton.firstFree]) {
      for (const position of first) {
        for (let byte = 0; byte < BYTE_VALUES; byte += 1) {
          if (automaton.sets[position]?.[byte]) this.#begins[byte] = 1
        }
      }
    }
  }

  /** The first place from `from` on where one may begin; the chunk's length if there is none. */
  next(chunk: Uint8Array, from: number): number {
    const begins = this.#begins
    const length = chunk.length
    let at = from
    while (at < length && begins[chunk[at] ?? 0] === 0) at += 1
    return at
  }
}
