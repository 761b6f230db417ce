/**
 * Bytes with gaps for a nonce: what is sent to an upstream, and what is expected of it, in an exchange that must not be
 * mistaken for an earlier one.
 *
 * - nonce: random text chosen for one exchange, the same in all its gaps
 * - template: the pieces around the gaps, in order; one piece alone has no gap
 */

export type ByteTemplate = readonly [Uint8Array, ...Uint8Array[]]

/** Hexadecimal digits of a nonce: 64 random bits do not come up twice in the life of a connection. */
export const NONCE_LENGTH = 16

/** How many bytes it has when filled in. */
export const lengthOf = (template: ByteTemplate): number =>
  template.reduce((sum, piece) => sum + piece.length, (template.length - 1) * NONCE_LENGTH)

/** The bytes with `nonce` in every gap. A template without gaps is not copied. */
export const fillTemplate = (template: ByteTemplate, nonce: string): Uint8Array => {
  const [first, ...rest] = template
  if (rest.length === 0) return first
  const gap = new TextEncoder().encode(nonce)
  const filled = new Uint8Array(rest.reduce((sum, piece) => sum + gap.length + piece.length, first.length))
  filled.set(first)
  let end = first.length
  for (const piece of rest) {
    filled.set(gap, end)
    filled.set(piece, end + gap.length)
    end += gap.length + piece.length
  }
  return filled
}
