/** One run: finds who is there, measures figure by figure, and makes the account of it. */

import { statfsSync } from 'node:fs'
import type { Contender, Ready } from './contenders/contender.js'
import type { Figure } from './figures/figure.js'
import { canPin, coresFor } from './machine/cores.js'
import { connectionsWithin } from './machine/descriptors.js'
import { machineFacts } from './machine/facts.js'
import { coresWithin, LOOPBACK_NETWORK, openFarNetwork } from './machine/network.js'
import type { Scope } from './machine/scope.js'
import { askVersion, findTool, versionIn } from './machine/tools.js'
import type { Options } from './options.js'
import { recordingsAt } from './recordings/place.js'
import type { EntrantResult, Failure, FigureResult, Results } from './report/results.js'
import { medians, ratios } from './report/statistics.js'
import { type Entry, type Measured, runFigure } from './run-figure.js'

export interface Bench {
  readonly figures: readonly Figure[]
  readonly contenders: readonly Contender[]
  readonly options: Options
  /** One line of what is being done. */
  readonly progress: (line: string) => void
}

const IDLE_CONNECTIONS = { usual: 3500, quick: 200 } as const

const idleConnectionsFor = (quick: boolean): number =>
  Math.min(quick ? IDLE_CONNECTIONS.quick : IDLE_CONNECTIONS.usual, connectionsWithin(2))

const VERSION_FLAGS: Readonly<Record<string, string>> = { iperf3: '--version', nginx: '-v', wrk: '-v' }

const toolVersions = (figures: readonly Figure[]): Record<string, string> =>
  Object.fromEntries(
    [...new Set(figures.flatMap(({ tools }) => tools))].flatMap((name) => {
      const path = findTool(name)
      return path === null
        ? []
        : [[name, versionIn(askVersion(path, VERSION_FLAGS[name] ?? '-v')) ?? 'unknown']]
    }),
  )

const resultsOf = (measured: readonly Measured[]): readonly EntrantResult[] => {
  const counted = measured
    .filter(({ samples }) => samples.length > 0)
    .map(({ entrant, samples }) => ({ entrant, samples, median: medians(samples) }))
  return counted.map(({ entrant, samples, median }) => {
    const baseline = counted.find((other) => other.entrant.id === entrant.baseline)
    return {
      entrant: entrant.id,
      title: entrant.title,
      baseline: entrant.baseline,
      rounds: samples,
      median,
      ratio: baseline === undefined ? {} : ratios(median, baseline.median),
    }
  })
}

/** Why a figure cannot be measured here, or null. */
const obstacleTo = (figure: Figure): string | null => {
  const { tools, diskBytes } = figure
  const missing = tools.filter((name) => findTool(name) === null)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const place = recordingsAt(figure)
  const { bavail, bsize } = statfsSync(place)
  if (bavail * bsize >= diskBytes) return null
  return `less than ${diskBytes / 1024 ** 3} GiB are free in ${place}`
}

export const runBench = async (scope: Scope, bench: Bench): Promise<Results> => {
  const { figures, contenders, options, progress } = bench
  const began = new Date()
  const machine = machineFacts()
  const leftOut: { name: string; why: string }[] = []
  const failures: Failure[] = []
  const ready = new Map<string, Ready>()
  for (const contender of contenders) {
    progress(`looking for ${contender.title}`)
    const found = await contender.find(scope)
    if ('missing' in found) leftOut.push({ name: contender.title, why: found.missing })
    else ready.set(contender.id, found.ready)
  }
  const present = contenders.filter(({ id }) => ready.has(id))
  const idleConnections = idleConnectionsFor(options.quick)
  const layout = options.pin ? 'apart' : 'free'

  const measure = async (figure: Figure): Promise<FigureResult | null> => {
    const { id, title, how, metrics } = figure
    const entries = figure.entrants(present).map(
      (entrant): Entry => ({
        entrant,
        ready: entrant.contender === null ? null : (ready.get(entrant.contender.id) ?? null),
      }),
    )
    const why = entries.length === 0 ? 'none of the contenders takes part' : obstacleTo(figure)
    if (why !== null) {
      leftOut.push({ name: title, why })
      return null
    }
    const own = scope.child()
    const plan = {
      rounds: options.rounds,
      seconds: options.seconds,
      warmUpSeconds: options.quick ? 0 : 1,
    }
    try {
      const network = figure.oneWayMs > 0 ? await openFarNetwork(own, figure.oneWayMs) : LOOPBACK_NETWORK
      if ('missing' in network) {
        leftOut.push({ name: title, why: network.missing })
        return null
      }
      const site = {
        scope: own,
        cores: coresWithin(network, coresFor(figure.layout ?? layout)),
        network,
        idleConnections,
        streams: options.streams,
        tool: (name: string) => findTool(name) ?? name,
      }
      const measured = await runFigure(figure, entries, site, plan, ({ round, entrant }) =>
        progress(`${title}: round ${round}, ${entrant.title}`),
      )
      failures.push(...measured.flatMap((entry) => entry.failures))
      return { id, title, how, metrics, results: resultsOf(measured) }
    } catch (thrown) {
      failures.push({ figure: id, entrant: 'backend', message: String(thrown) })
      return null
    } finally {
      await own.end()
    }
  }

  const measuredFigures: FigureResult[] = []
  for (const figure of figures) {
    const result = await measure(figure)
    if (result !== null) measuredFigures.push(result)
  }
  return {
    format: 1,
    date: began.toISOString(),
    took: { seconds: Math.round((Date.now() - began.getTime()) / 1000) },
    machine,
    options: {
      rounds: options.rounds,
      seconds: options.seconds,
      streams: options.streams,
      layout: canPin() ? layout : 'free',
      idleConnections,
    },
    contenders: present.map(({ id, title, setUp }) => ({
      id,
      title,
      version: ready.get(id)?.version ?? 'unknown',
      setUp,
    })),
    tools: toolVersions(figures),
    leftOut,
    figures: measuredFigures,
    failures,
  }
}
