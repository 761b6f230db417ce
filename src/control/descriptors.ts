/** How many descriptors this process may have open, how many it has, and what the config plans to do with them. */

import { readdirSync, readFileSync } from 'node:fs'
import type { GatewayConfig } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import { type BudgetPlan, planBudget, shortageOf } from '../core/budget/plan.js'

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

/** `engine`: the one that there will be. @throws ConfigError with figures: not one client could be served. */
export const planFor = (
  config: GatewayConfig,
  { limit, open }: DescriptorFigures,
  engine: EngineNeeds,
  source: string,
): BudgetPlan => {
  const upstreams = Object.values(config.upstreams)
  const sum = (count: (upstream: GatewayConfig['upstreams'][string]) => number): number =>
    upstreams.reduce((total, upstream) => total + count(upstream) * upstream.endpoints.length, 0)
  const plan = planBudget({
    limit,
    open,
    ...engine,
    listeners: config.listeners.length,
    isRecording: config.record !== null,
    checks: sum(({ check }) => (check === null ? 0 : 1)),
    pools: sum(({ pool }) => (pool.mode === 'off' ? 0 : pool.min)),
  })
  const shortage = shortageOf(plan)
  if (shortage === null) return plan
  const { totalReserved, pools } = plan
  const found = `${limit} descriptors`
  const expected = `more than ${totalReserved + pools}`
  throw new ConfigError(source, [{ path: '', found, expected, message: shortage }])
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
