/** What loads and backends need to know of the run they are part of. */

import type { Cores } from '../machine/cores.js'
import type { Network } from '../machine/network.js'
import type { Scope } from '../machine/scope.js'

export interface Site {
  readonly scope: Scope
  /** Which cores run what, in `network`. */
  readonly cores: Cores
  readonly network: Network
  /** Connections to hold open to measure the memory of each, where descriptors suffice. */
  readonly idleConnections: number
  /** Parallel connections of bulk. */
  readonly streams: number
  /** The path of a program that is known to be installed. */
  tool(name: string): string
}
