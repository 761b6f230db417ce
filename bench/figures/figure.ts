/**
 * What is measured.
 *
 * - figure: one load and what is read off while it runs; e.g. keep-alive requests
 * - metric: one number of it; e.g. CPU time per request
 * - entrant: a contender as it takes part in a figure; e.g. with recording on
 * - sample: an entrant's metrics in one round
 */

import { BASELINE } from '../contenders/all.js'
import type { Contender, PoolMode } from '../contenders/contender.js'
import type { Target } from '../contenders/start.js'
import type { Site } from '../loads/bench-site.js'
import type { Layout } from '../machine/cores.js'

export interface Metric {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
}

export type Sample = Readonly<Record<string, number>>

export interface Entrant {
  readonly id: string
  readonly title: string
  /** Null: the backend itself, with nobody in between. */
  readonly contender: Contender | null
  readonly records: boolean
  /** Null: it dials for each client. */
  readonly pool: PoolMode | null
  /** What starts the service at a port, for who starts it on demand. */
  readonly wakes?: (site: Site, port: number) => readonly [string, ...string[]]
  /** The entrant whose figures its own are divided by. */
  readonly baseline: string
}

export interface Figure {
  readonly id: string
  readonly title: string
  /** How it is measured, in a sentence. */
  readonly how: string
  readonly metrics: readonly Metric[]
  /** Programs that have to be installed. */
  readonly tools: readonly string[]
  /** Free space that it takes for temporary files. */
  readonly diskBytes: number
  /** Whether recordings go to a file system in memory, where there is one, so that no disk is measured. */
  readonly recordsToMemory?: boolean
  /** True: a new process for each round. False: one for all rounds, as a gateway runs for long. */
  readonly fresh: boolean
  /** Whether each process is first put under the load for a moment, uncounted, as it would be after its first minute. */
  readonly warmUp: boolean
  /** Where everything runs, whatever the run asks for; null: no matter. */
  readonly layout: Layout | null
  /** How far the service is from the contenders, in milliseconds; above 0 it takes a network of its own. */
  readonly oneWayMs: number
  /** More rounds than this tell nothing new, or are too long for what they tell. */
  readonly mostRounds: number
  /** In place of each round of a run that asks for several, where single rounds differ by more than what is to be told apart; usually 1. */
  readonly roundsEach?: number
  entrants(contenders: readonly Contender[]): readonly Entrant[]
  /** @returns the port of what is behind the contenders */
  startBackend(site: Site): Promise<number>
  /** Puts the load on for about this long, and reads off. */
  measure(site: Site, target: Target, seconds: number): Promise<Sample>
}

/** Whom the others' figures are divided by: HAProxy if it takes part, else the first. */
const baselineOf = (contenders: readonly Contender[]): string =>
  (contenders.find(({ id }) => id === BASELINE) ?? contenders[0])?.id ?? BASELINE

/** Each as it is. */
export const everybody = (contenders: readonly Contender[]): readonly Entrant[] => {
  const relays = contenders.filter(({ only }) => only === null || only === 'bulk')
  const baseline = baselineOf(relays)
  return relays.map((contender) => ({
    id: contender.id,
    title: contender.title,
    contender,
    records: false,
    pool: null,
    baseline,
  }))
}

/** Everybody who is not the same as another here. */
export const allButBulkOnly = (contenders: readonly Contender[]): readonly Entrant[] =>
  everybody(contenders.filter(({ only }) => only !== 'bulk'))

/** The backend itself, with nobody in between. */
export const direct = (baseline: string): Entrant => ({
  id: 'direct',
  title: 'no proxy',
  contender: null,
  records: false,
  pool: null,
  baseline,
})
