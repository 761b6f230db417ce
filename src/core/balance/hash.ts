/**
 * Hashes of 32 bits, for spreading clients over endpoints. They must not change between versions: with them, every
 * client would move. Nobody is kept from making collisions; a client that does so chooses its own endpoint, no more.
 */

const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** Every bit of the input changes half of the bits of the output (the finalizer of MurmurHash3, by Austin Appleby). */
const mix = (bits: number): number => {
  let h = bits
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Of the characters from `start` until `end` (FNV-1a over UTF-16 units, then mixed). Allocates nothing. */
export const hashText = (text: string, start = 0, end = text.length): number => {
  let h = FNV_BASIS
  for (let i = start; i < end; i++) h = Math.imul(h ^ text.charCodeAt(i), FNV_PRIME)
  return mix(h)
}

/** Of two hashes together; swapping them gives another. */
export const hashPair = (first: number, second: number): number => mix(mix(first ^ 0x9e3779b9) + second)
