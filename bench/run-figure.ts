/** One figure: everybody in turn, round after round. */

import { join } from 'node:path'
import type { Ready } from './contenders/contender.js'
import { directTo, startContender, type Target } from './contenders/start.js'
import type { Entrant, Figure, Sample } from './figures/figure.js'
import type { Site } from './loads/bench-site.js'
import { connectionsWithin } from './machine/descriptors.js'
import type { Scope } from './machine/scope.js'
import { recordingsAt } from './recordings/place.js'
import type { Failure } from './report/results.js'

export interface Entry {
  readonly entrant: Entrant
  /** Null: no proxy. */
  readonly ready: Ready | null
}

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
}

export interface Measured {
  readonly entrant: Entrant
  readonly samples: readonly Sample[]
  readonly failures: readonly Failure[]
}

/** Told before each measurement. */
export type OnStep = (step: { readonly round: number; readonly entrant: Entrant }) => void

/** Besides the connections of the load: those that are just being closed, and what a contender opens for itself. */
const SPARE_CONNECTIONS = 500

/** Whoever fails this often in a figure takes no further part in it. */
const MOST_FAILURES = 2

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** Nobody is always first, nor always behind the same one. */
const rotated = <T>(list: readonly T[], by: number): readonly T[] => {
  const at = by % Math.max(list.length, 1)
  return [...list.slice(at), ...list.slice(0, at)]
}

interface Runner {
  readonly entrant: Entrant
  readonly samples: Sample[]
  readonly failures: Failure[]
  readonly measure: () => Promise<Sample>
}

const roundsOf = ({ mostRounds, roundsEach = 1 }: Figure, asked: number): number =>
  Math.min(asked === 1 ? 1 : asked * roundsEach, mostRounds)

export const runFigure = async (
  figure: Figure,
  entries: readonly Entry[],
  site: Site,
  plan: Plan,
  onStep: OnStep,
): Promise<readonly Measured[]> => {
  const upstreamPort = await figure.startBackend(site)

  const start = async (scope: Scope, { entrant, ready }: Entry): Promise<Target> => {
    const target =
      ready === null || entrant.contender === null
        ? directTo(site.network.upstreamHost, upstreamPort)
        : await startContender(scope, site.cores, entrant.contender, ready, {
            upstream: `${site.network.upstreamHost}:${upstreamPort}`,
            recordTo: entrant.records ? join(scope.tempDir(recordingsAt(figure)), 'recording') : null,
            pool: entrant.pool,
            wake: entrant.wakes?.(site, upstreamPort) ?? null,
            maxConnections: Math.min(site.idleConnections + SPARE_CONNECTIONS, connectionsWithin(2)),
          })
    if (figure.warmUp && plan.warmUpSeconds > 0) await figure.measure(site, target, plan.warmUpSeconds)
    return target
  }

  const measureFresh = async (entry: Entry): Promise<Sample> => {
    const scope = site.scope.child()
    try {
      return await figure.measure(site, await start(scope, entry), plan.seconds)
    } finally {
      await scope.end()
    }
  }

  const runnerOf = (entry: Entry): Runner => {
    let started: Target | null = null
    const measureAgain = async (): Promise<Sample> => {
      started ??= await start(site.scope, entry)
      return figure.measure(site, started, plan.seconds)
    }
    return {
      entrant: entry.entrant,
      samples: [],
      failures: [],
      measure: figure.fresh ? () => measureFresh(entry) : measureAgain,
    }
  }

  const runners = entries.map(runnerOf)
  const rounds = roundsOf(figure, plan.rounds)
  for (let round = 1; round <= rounds; round++)
    for (const runner of rotated(runners, round - 1)) {
      if (runner.failures.length >= MOST_FAILURES) continue
      onStep({ round, entrant: runner.entrant })
      try {
        runner.samples.push(await runner.measure())
      } catch (thrown) {
        runner.failures.push({
          figure: figure.id,
          entrant: runner.entrant.title,
          message: messageOf(thrown),
        })
      }
    }
  return runners
}
