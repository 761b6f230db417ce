/**
 * Numbers, texts and addresses as 32-bit words in memory that threads share. Every word is written and read
 * by Atomics, so that all threads see the writes in one order; the sequence numbers of live-slots.ts rest on that.
 */

import type { Address } from '../../core/address.js'

export type Words = Int32Array<SharedArrayBuffer>

const TWO_TO_32 = 2 ** 32
const BYTES_PER_WORD = 4

/** Two words; whole, from 0 to 2^53. */
export const putNumber = (words: Words, at: number, value: number): void => {
  Atomics.store(words, at, value | 0)
  Atomics.store(words, at + 1, Math.floor(value / TWO_TO_32))
}

export const takeNumber = (words: Words, at: number): number =>
  (Atomics.load(words, at) >>> 0) + Atomics.load(words, at + 1) * TWO_TO_32

const encoder = new TextEncoder()

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** One word for the length in bytes, then the bytes as UTF-8. What does not fit `capacity` bytes is left out. */
export const putText = (words: Words, at: number, text: string, capacity: number): void => {
  const encoded = isAscii(text) ? null : encoder.encode(text)
  const length = Math.min(encoded?.length ?? text.length, capacity)
  const byteAt = (index: number): number =>
    index < length ? (encoded?.[index] ?? text.charCodeAt(index)) : 0
  Atomics.store(words, at, length)
  for (let i = 0; i < length; i += BYTES_PER_WORD) {
    const word = byteAt(i) | (byteAt(i + 1) << 8) | (byteAt(i + 2) << 16) | (byteAt(i + 3) << 24)
    Atomics.store(words, at + 1 + i / BYTES_PER_WORD, word)
  }
}

export const takeText = (words: Words, at: number, capacity: number): string => {
  const length = Math.min(Atomics.load(words, at), capacity)
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++)
    bytes[i] = Atomics.load(words, at + 1 + Math.floor(i / BYTES_PER_WORD)) >> (8 * (i % BYTES_PER_WORD))
  return bytes.toString('utf8')
}

/** Words before an address's text: what it is, and its port. */
const ADDRESS_HEADER = 2
const NO_ADDRESS = 0
const TCP = 1
const UNIX = 2

/** What an address takes whose text has at most `capacity` bytes. */
export const addressWords = (capacity: number): number =>
  ADDRESS_HEADER + 1 + Math.ceil(capacity / BYTES_PER_WORD)

export const putAddress = (words: Words, at: number, address: Address | null, capacity: number): void => {
  if (address === null) {
    Atomics.store(words, at, NO_ADDRESS)
    return
  }
  const isTcp = address.kind === 'tcp'
  Atomics.store(words, at, isTcp ? TCP : UNIX)
  Atomics.store(words, at + 1, isTcp ? address.port : 0)
  putText(words, at + ADDRESS_HEADER, isTcp ? address.host : address.path, capacity)
}

export const takeAddress = (words: Words, at: number, capacity: number): Address | null => {
  const kind = Atomics.load(words, at)
  if (kind === NO_ADDRESS) return null
  const text = takeText(words, at + ADDRESS_HEADER, capacity)
  return kind === TCP
    ? { kind: 'tcp', host: text, port: Atomics.load(words, at + 1) }
    : { kind: 'unix', path: text }
}
