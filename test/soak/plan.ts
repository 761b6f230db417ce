/**
 * What one connection of the soak does, all of it derived from a seed, so that it can be played again and through
 * anything: directly, or through a gateway.
 *
 * - part: what a side sends before, and after, it has seen what the ending makes it wait for
 * - stall: after so many bytes the side does not read for a while
 * - quiet reset: when all has arrived both ways; a cut: in the middle
 */

import { payload, seededRandom } from '../support/payload.js'

export const ENDINGS = [
  'client_fin',
  'server_fin',
  'both_fin',
  'client_reset',
  'server_reset',
  'client_cut',
  'server_cut',
] as const
export type Ending = (typeof ENDINGS)[number]

export interface Stall {
  readonly at: number
  readonly ms: number
}

export interface SidePlan {
  /** Where in {@link PATTERN} its stream begins. */
  readonly offset: number
  /** Sizes of the writes, in two parts. */
  readonly parts: readonly [readonly number[], readonly number[]]
  readonly bytes: number
  readonly stalls: readonly Stall[]
  /** How often it lets others have a turn between two writes, 0 to 1. */
  readonly hesitation: number
}

export interface Plan {
  readonly seed: number
  readonly client: SidePlan
  readonly server: SidePlan
  readonly ending: Ending
  /** A cut comes once the side that makes it has received this much. */
  readonly cutAt: number
}

/** Every stream is a piece of this, over and over. Its length shares no factor with a buffer's, so that a shift would show. */
export const PATTERN = payload(99, 4 * 1024 ** 2 + 1)

const LARGEST_STREAM = 32 * 1024 ** 2
const LARGEST_WRITE = 512 * 1024
/** More would make small writes the whole of it. */
const MOST_WRITES = 400
const MOST_STALLS = 4
const LONGEST_STALL_MS = 30

type Random = () => number

/** As many of each order of magnitude. */
const logUniform = (random: Random, most: number): number => Math.floor(most ** random())

const writesOf = (random: Random, bytes: number): readonly number[] => {
  const typical = Math.max(1, Math.ceil(bytes / MOST_WRITES), logUniform(random, LARGEST_WRITE))
  const writes: number[] = []
  for (let left = bytes; left > 0; ) {
    const next = Math.min(left, 1 + Math.floor(random() * 2 * typical))
    writes.push(next)
    left -= next
  }
  return writes
}

const sidePlan = (random: Random, received: number, bytes: number): SidePlan => {
  const writes = writesOf(random, bytes)
  const split = Math.floor(random() * (writes.length + 1))
  const stalls = Array.from({ length: Math.floor(random() * MOST_STALLS) }, () => ({
    at: Math.floor(random() * received),
    ms: 1 + Math.floor(random() * LONGEST_STALL_MS),
  }))
  return {
    offset: Math.floor(random() * PATTERN.length),
    parts: [writes.slice(0, split), writes.slice(split)],
    bytes,
    stalls: stalls.sort((a, b) => a.at - b.at),
    hesitation: random(),
  }
}

export const planOf = (seed: number): Plan => {
  const random = seededRandom(seed)
  const [up, down] = [logUniform(random, LARGEST_STREAM), logUniform(random, LARGEST_STREAM)]
  const ending = ENDINGS[Math.floor(random() * ENDINGS.length)] ?? 'both_fin'
  return {
    seed,
    client: sidePlan(random, down, up),
    server: sidePlan(random, up, down),
    ending,
    cutAt: 1 + Math.floor(random() * ((ending === 'client_cut' ? down : up) - 1)),
  }
}
