/** The account of one run, as it is written to JSON and read back. */

import type { Metric, Sample } from '../figures/figure.js'
import type { Layout } from '../machine/cores.js'

export interface MachineFacts {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** TCP's congestion control for sockets that choose none, e.g. `cubic`: one that paces (`bbr`) costs everybody CPU time. */
  readonly congestionControl: string
  /** Runnable processes over the minute before the run: well above 0, others were using the machine. */
  readonly loadBefore: number
}

export interface EntrantResult {
  readonly entrant: string
  readonly title: string
  /** Whose medians its ratios are to. */
  readonly baseline: string
  readonly rounds: readonly Sample[]
  readonly median: Sample
  /** Empty if the baseline was not measured. */
  readonly ratio: Sample
}

export interface FigureResult {
  readonly id: string
  readonly title: string
  readonly how: string
  readonly metrics: readonly Metric[]
  readonly results: readonly EntrantResult[]
}

export interface Failure {
  readonly figure: string
  readonly entrant: string
  readonly message: string
}

export interface Results {
  readonly format: 1
  /** ISO 8601, when the run began. */
  readonly date: string
  readonly took: { readonly seconds: number }
  readonly machine: MachineFacts
  readonly options: {
    readonly rounds: number
    readonly seconds: number
    readonly streams: number
    /** Where everything ran, but for figures that say otherwise. */
    readonly layout: Layout
    readonly idleConnections: number
  }
  readonly contenders: readonly {
    readonly id: string
    readonly title: string
    readonly version: string
    readonly setUp: string
  }[]
  /** Load generators and backends, by name. */
  readonly tools: Readonly<Record<string, string>>
  /** Contenders and figures that could not be measured here, and why. */
  readonly leftOut: readonly { readonly name: string; readonly why: string }[]
  readonly figures: readonly FigureResult[]
  readonly failures: readonly Failure[]
}
