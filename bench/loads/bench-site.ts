/** What loads and backends need to know of the run they are part of. */

import type { Cores } from '../machine/cores.js'
import type { Scope } from '../machine/scope.js'

export interface Site {
  readonly scope: Scope
  readonly cores: Cores
  /** Connections that are held open to measure the memory of each. */
  readonly idleConnections: number
  /** The path of a program that is known to be installed. */
  tool(name: string): string
}
