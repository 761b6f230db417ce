/**
 * Which connections are recorded. Decided once for each, when it opens: one that is not selected costs nothing after that.
 *
 * `client`: a client's address is hashed to a number from 0 to 1, and it is recorded if that is below `sample`. So all
 * its connections are or none, on every thread and after every restart, and a larger sample has everybody of a smaller one.
 */

import type { Address } from '../address.js'
import { type AccessRules, addressBytes, compileAccessRules } from '../route/cidr.js'

export interface SelectionRules extends AccessRules {
  /** Part of the connections that `allow` and `deny` leave, 0 to 1. */
  readonly sample: number
  /** Clients without an IP address (unix sockets) are taken at random in any case. */
  readonly sampleBy: 'client' | 'random'
}

/** The finisher of MurmurHash3: each bit of the input moves each bit of the output. */
const mix = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

/** A whole number from 0 to 2^32 - 1. */
const hashOf = (bytes: readonly number[]): number => {
  let hash = bytes.length
  for (let i = 0; i < bytes.length; i += 4) {
    const word = bytes.slice(i, i + 4).reduce((all, byte) => (all << 8) | byte, 0)
    hash = mix(hash ^ word) + 0x9e3779b9
  }
  return mix(hash) >>> 0
}

/** Where a client stands among all clients, from 0 up to but not 1. */
const placeOf = (client: Address, random: () => number): number => {
  const bytes = client.kind === 'tcp' ? addressBytes(client.host) : null
  return bytes === null ? random() : hashOf(bytes) / 2 ** 32
}

/**
 * Compiles the rules once; the function it returns decides on a new connection.
 * @param random from 0 up to but not 1
 * @throws TidegateError `value_invalid` for a rule that is no CIDR
 */
export const compileSelection = (
  { sample, sampleBy, allow, deny }: SelectionRules,
  random: () => number,
): ((client: Address) => boolean) => {
  const isAllowed = compileAccessRules({ allow, deny })
  if (sample >= 1) return isAllowed
  if (sample <= 0) return () => false
  if (sampleBy === 'random') return (client) => isAllowed(client) && random() < sample
  return (client) => isAllowed(client) && placeOf(client, random) < sample
}
