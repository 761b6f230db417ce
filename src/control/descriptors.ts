/** How many descriptors this process may have open, how many it has, and what the config plans to do with them. */

import { readdirSync, readFileSync } from 'node:fs'
import type { GatewayConfig } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import {
  type BudgetNeeds,
  type BudgetPlan,
  PROCESS_PER_CLIENT_DESCRIPTORS,
  planBudget,
  type RecordingKind,
  roomForPools,
  SERVICE_DESCRIPTORS,
  shortageOf,
} from '../core/budget/plan.js'
import { type PoolNeeds, warmFor } from '../core/budget/warm.js'
import { parseTemplate } from '../core/record/files/template.js'

export interface DescriptorFigures {
  /** The soft limit of RLIMIT_NOFILE, which Node has raised to the hard one when it started. */
  readonly limit: number
  /** null: this system does not tell. */
  readonly open: number | null
}

/** `Max open files            1024                 4096                 files` */
const LIMITS_LINE = /^Max open files\s+(\d+)\s/m

/** The limit in the text of `/proc/self/limits`; null: none, or it is some other text. */
export const limitIn = (limits: string): number | null => {
  const found = LIMITS_LINE.exec(limits)?.[1]
  return found === undefined ? null : Number(found)
}

/** Null: no limit, or this system does not tell. */
const descriptorLimit = (): number | null => {
  if (process.platform === 'win32') return null
  try {
    return limitIn(readFileSync('/proc/self/limits', 'latin1'))
  } catch {
    return reportedLimit()
  }
}

/** As the types of the oldest Node do not have it yet. */
interface Reporter {
  excludeNetwork?: boolean
  getReport(): Report
}

interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } }
}

/** Where there is no /proc: Node's own report, without what takes long. */
const reportedLimit = (): number | null => {
  const report = process.report as unknown as Reporter
  const before = report.excludeNetwork
  report.excludeNetwork = true
  const { userLimits } = report.getReport()
  if (before !== undefined) report.excludeNetwork = before
  const soft = Number(userLimits?.open_files?.soft)
  return Number.isSafeInteger(soft) && soft > 0 ? soft : null
}

const openDescriptors = (): number | null => {
  try {
    // One of them is the folder.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return null
  }
}

/** To be read before anything is opened. Null: no limit, or this system does not tell. */
export const readDescriptors = (): DescriptorFigures | null => {
  const limit = descriptorLimit()
  return limit === null ? null : { limit, open: openDescriptors() }
}

/** What the plan has to know of the engine. */
export interface EngineNeeds {
  readonly workers: number
  readonly acceptsAll: boolean
}

/** How many addresses an upstream has now; 0: not known. */
export type SizeOf = (upstream: string) => number

const poolsOf = ({ upstreams }: GatewayConfig, sizeOf: SizeOf): readonly PoolNeeds[] =>
  Object.values(upstreams).map(({ name, pool, endpoints: { length } }) => ({
    upstream: name,
    min: pool.mode === 'off' ? 0 : pool.min,
    endpoints: length,
    addresses: Math.max(length, sizeOf(name)),
  }))

const checksOf = ({ upstreams }: GatewayConfig, sizeOf: SizeOf): number =>
  Object.values(upstreams).reduce(
    (sum, { name, check, endpoints }) =>
      sum + (check === null ? 0 : Math.max(endpoints.length, sizeOf(name))),
    0,
  )

const servicesOf = ({ upstreams }: GatewayConfig): number =>
  Object.values(upstreams).reduce((sum, { wake, maxConnections }) => {
    if (wake === null) return sum
    const each = wake.mode === 'inetd' ? maxConnections * PROCESS_PER_CLIENT_DESCRIPTORS : 0
    return sum + SERVICE_DESCRIPTORS + each
  }, 0)

const unknownSize: SizeOf = () => 0

const recordingKindOf = ({ record }: GatewayConfig): RecordingKind => {
  if (record === null) return 'none'
  const { place } = record
  if (place.kind !== 'files') return place.kind
  return parseTemplate(place.template).splitsBy.length === 0 ? 'files' : 'split'
}

const needsOf = (
  config: GatewayConfig,
  { limit, open }: DescriptorFigures,
  engine: EngineNeeds,
): BudgetNeeds => ({
  limit,
  open,
  ...engine,
  listeners: config.listeners.length,
  recording: recordingKindOf(config),
  checks: checksOf(config, unknownSize),
  services: servicesOf(config),
  pools: poolsOf(config, unknownSize).reduce((sum, { min, endpoints }) => sum + min * endpoints, 0),
})

/**
 * For the endpoints of the config, names that may have many addresses among them. `engine`: the one that there will be.
 * @throws ConfigError with figures: not one client could be served.
 */
export const planFor = (
  config: GatewayConfig,
  figures: DescriptorFigures,
  engine: EngineNeeds,
  source: string,
): BudgetPlan => {
  const plan = planBudget(needsOf(config, figures, engine))
  const shortage = shortageOf(plan)
  if (shortage === null) return plan
  const { limit, totalReserved, pools } = plan
  const found = `${limit} descriptors`
  const expected = `more than ${totalReserved + pools}`
  throw new ConfigError(source, [{ path: '', found, expected, message: shortage }])
}

/** A plan for the addresses that there are. */
export interface FittedPlan {
  readonly plan: BudgetPlan
  /** What each upstream's pool keeps ready for each address: `min`, or less. */
  readonly warm: ReadonlyMap<string, number>
  /** What all of them may keep ready. */
  readonly room: number
}

/** For a config that {@link planFor} has found to fit. Names that have more addresses make room by keeping less ready. */
export const fitFor = (
  config: GatewayConfig,
  figures: DescriptorFigures,
  engine: EngineNeeds,
  sizeOf: SizeOf,
): FittedPlan => {
  const needs = needsOf(config, figures, engine)
  // Checks of some hundred addresses are hardly ever under way at once: what does not fit has the reserve.
  const roomForChecks = needs.checks + Math.max(0, roomForPools(planBudget(needs)) - needs.pools)
  const checks = Math.min(checksOf(config, sizeOf), roomForChecks)
  const room = roomForPools(planBudget({ ...needs, checks }))
  const pools = poolsOf(config, sizeOf)
  const warm = warmFor(pools, room)
  const kept = pools.reduce((sum, { upstream, addresses }) => sum + (warm.get(upstream) ?? 0) * addresses, 0)
  return { plan: planBudget({ ...needs, checks, pools: kept }), warm, room }
}

/** What listeners may ask for beyond what the plan has, in one line; null: nothing. */
export const overbooked = ({ listeners }: GatewayConfig, { clients, limit }: BudgetPlan): string | null => {
  const asked = listeners.reduce((sum, { maxConnections }) => sum + maxConnections, 0)
  if (asked <= clients) return null
  return (
    `maxConnections of the listeners add up to ${asked}, but of ${limit} descriptors there are enough for ` +
    `${clients} clients: the others wait; raise the limit (ulimit -n)`
  )
}
