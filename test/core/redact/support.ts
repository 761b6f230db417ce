/** What tests of the redaction share: to feed it in pieces and put together what comes out. */

import { expect } from 'vitest'
import type { Redaction, RedactRule } from '../../../src/core/redact/redaction.js'
import { TidegateError } from '../../../src/errors.js'

export const bytesOf = (latin1: string): Uint8Array => Uint8Array.from(latin1, (char) => char.charCodeAt(0))
export const latin1Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export const rule = (pattern: string, options: Partial<RedactRule> = {}): RedactRule => ({
  pattern,
  after: null,
  ignoreCase: false,
  ...options,
})

export const failureOf = (act: () => unknown): TidegateError => {
  try {
    act()
  } catch (error) {
    if (error instanceof TidegateError) return error
    throw error
  }
  return expect.fail('nothing was thrown')
}

/** Ten times as fast as `expect`, for what is done a hundred thousand times. */
const must = (holds: boolean, what: string): void => {
  if (!holds) expect.fail(what)
}

/** What comes out of a new stream for `chunks` and its end, each chunk overwritten as soon as it was taken. */
export const redactedChunks = (redaction: Redaction, chunks: readonly Uint8Array[]): string => {
  const stream = redaction.stream()
  let output = ''
  const out = (bytes: Uint8Array, from: number, to: number): void => {
    must(from >= 0 && to > from && to <= bytes.length, `gave out [${from}, ${to}) of ${bytes.length}`)
    output += latin1Of(bytes.subarray(from, to))
  }
  let taken = 0
  for (const chunk of chunks) {
    const own = Uint8Array.from(chunk)
    stream.push(own, out)
    must(Buffer.compare(own, chunk) === 0, 'changed the chunk')
    own.fill(0x21)
    taken += chunk.length
    must(stream.held === taken - output.length, `holds ${stream.held} of ${taken}, gave out ${output.length}`)
  }
  stream.end(out)
  must(stream.held === 0, `holds ${stream.held} at the end`)
  return output
}

export const redacted = (redaction: Redaction, latin1: string): string =>
  redactedChunks(redaction, [bytesOf(latin1)])

/** `text` cut before each of `places` (ascending). */
export const cutAt = (text: string, places: readonly number[]): Uint8Array[] => {
  const ends = [...places, text.length]
  return ends.map((end, index) => bytesOf(text.slice(ends[index - 1] ?? 0, end)))
}

/** All 2^(n-1) ways to cut `text` into chunks. */
export const allCuts = function* (text: string): Generator<Uint8Array[]> {
  for (let choice = 0; choice < 2 ** Math.max(0, text.length - 1); choice += 1) {
    const places: number[] = []
    for (let place = 1; place < text.length; place += 1) if (choice & (1 << (place - 1))) places.push(place)
    yield cutAt(text, places)
  }
}
