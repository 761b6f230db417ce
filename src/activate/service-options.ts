/** What every driver of a service is told of it. */

import type { Address } from '../core/address.js'
import type { ReadyRule } from './readiness.js'

export interface ServiceOptions {
  /** Working directory. Default: this process's. */
  readonly workdir?: string | null
  /** Beside this process's own variables. */
  readonly env?: Readonly<Record<string, string>>
  /** By name or number; needs root. Default: as this process. */
  readonly user?: string | number | null
  readonly group?: string | number | null
  /** Where it will accept. */
  readonly endpoints: readonly Address[]
  /** When it is ready. Default: what the driver says. */
  readonly ready?: ReadyRule
  /** Longest pause between two looks whether it is ready, ms. Default {@link READY_MS}. */
  readonly readyMs?: number
}

export const READY_MS = 500
