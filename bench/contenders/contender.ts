/**
 * Who is measured: a TCP proxy on one thread, from a loopback port to a service.
 *
 * - contender: a proxy program as it is set up here; whether it is there, and how it is started
 * - peer: a contender that is not Tidegate
 */

import type { Cores } from '../machine/cores.js'
import type { Scope } from '../machine/scope.js'
import type { Recorder } from '../recordings/recorder.js'
import type { RecordingFormat } from '../recordings/stored.js'

/** Where a client's upstream connection comes from, if it was there before the client (docs/upstreams.md). */
export type PoolMode = 'prewarm' | 'reuse'

export interface Place {
  readonly port: number
  /** `host:port` of the service. */
  readonly upstream: string
  /** The contender's own, for its configuration; removed afterwards. */
  readonly directory: string
  /** A file to record to, or null. Asked only of those that can. */
  readonly recordTo: string | null
  /** Null: it dials for each client. Asked only of those that can. */
  readonly pool: PoolMode | null
  /** What starts the service, which is not there before the first client; null: it is there. Asked only of those that can. */
  readonly wake: readonly [string, ...string[]] | null
  /** Connections it has to be able to serve at once; descriptors suffice for them. */
  readonly maxConnections: number
}

export interface Launch {
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** A contender that is installed here. */
export interface Ready {
  readonly version: string
  /** Writes what it needs to `place.directory`. */
  launch(place: Place): Launch
  /** Who records beside it, to `place.file`, if it does not do that itself. */
  readonly recorder?: (scope: Scope, cores: Cores, place: RecorderPlace) => Recorder
}

export interface RecorderPlace {
  readonly file: string
  /** Of the service: what is said there is recorded. */
  readonly upstreamPort: number
}

export type Availability = { readonly ready: Ready } | { readonly missing: string }

export interface Contender {
  readonly id: string
  readonly title: string
  /** One sentence on how it is set up. */
  readonly setUp: string
  /** What it writes when it records; null: it cannot. */
  readonly recordsAs: RecordingFormat | null
  readonly canPool: boolean
  /** It can start the service when the first client comes. */
  readonly canWake: boolean
  /** Takes part here only: in bulk, since everywhere else it is the same as another contender, or in its one purpose. */
  readonly only: 'bulk' | 'record' | 'wake' | null
  /** Descriptors that one process opens for each connection; 0 if each connection is a process. */
  readonly descriptorsEach: number
  /** Looks for it, and builds it if need be. */
  find(scope: Scope): Promise<Availability>
}
