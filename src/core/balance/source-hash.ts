/**
 * The same client comes to the same endpoint, without a table (weighted rendezvous hashing; Schindelhauer and Schomaker,
 * "Weighted Distributed Hash Tables", 2005).
 *
 * Every endpoint draws a lot that depends on itself and the client alone; the highest wins. So a client moves only when its own
 * endpoint goes, or when one comes that draws higher for it: of N alike, one that goes takes about 1/N of the clients with
 * it, and gets the same ones back when it returns.
 */

import type { Address } from '../address.js'
import type { Candidate } from './candidate.js'
import { hashPair, hashText } from './hash.js'

const MAPPED = '::ffff:'

/** Clients of a unix socket are all the same one. */
const UNIX_CLIENT = hashText('unix')

/**
 * Of the client's IP address, whatever its port. An IPv4 client is the same whether it comes through an IPv4 listener or through
 * a dual-stack one (`::ffff:10.1.2.3`); an IPv6 zone (`%eth0`) names our interface, not the client.
 */
export const clientHash = (client: Address): number => {
  if (client.kind === 'unix') return UNIX_CLIENT
  const { host } = client
  const isMapped = host.startsWith(MAPPED) && host.includes('.')
  const zone = host.indexOf('%')
  return hashText(host, isMapped ? MAPPED.length : 0, zone === -1 ? host.length : zone)
}

/** `(0, 1)`, never its ends, whose logarithms are no lots. */
const toUnit = (hash: number): number => (hash + 0.5) / 2 ** 32

/** Exponentially distributed with the weight as its rate: the smallest of such lots falls to each by its weight. */
const lotOf = ({ hash, weight }: Candidate, client: number): number =>
  -Math.log(toUnit(hashPair(hash, client))) / weight

export const pickBySource = <C extends Candidate>(candidates: readonly C[], client: Address): C | null => {
  const [only] = candidates
  if (only === undefined) return null
  if (candidates.length === 1) return only
  const source = clientHash(client)
  let winner = only
  let smallest = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const lot = lotOf(candidate, source)
    // A draw (of two addresses with the same hash) is decided alike in whatever order they are listed.
    if (lot > smallest || (lot === smallest && candidate.index > winner.index)) continue
    smallest = lot
    winner = candidate
  }
  return winner
}
