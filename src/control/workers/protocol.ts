/**
 * What the main thread and a worker say to one another. Everything else they know of one another is in shared memory
 * (listener-board.ts, live-slots.ts).
 *
 *     main → worker    open update shut         answered by `done`, in the order of asking
 *                      routed                   the answer to `ask`
 *                      surrender                the answer to `ask` is a stream: the client is to come to the main thread
 *                      upstream                 its settings; before a listener that leads there
 *                      serve yield              an upstream has room; another plane's clients wait for idle connections
 *                      cut_member               it is down
 *                      service                  what has become of a service that is started on demand
 *                      budget evict             what it keeps to; descriptors are short elsewhere
 *                      regulate kill cut drain stop
 *     worker → main    ready
 *                      done drained stopped     answers
 *                      ask                      where to connect a client; `unwanted` takes it back
 *                      moved                    a client, for the main thread to serve
 *                      page records room
 *                      upstream_room wanted     as `UpstreamNews`
 *                      turned
 *                      wake                     clients wait for a service to start
 *                      printed                  a line of a process that serves a client
 *                      short                    of descriptors: the others are to close idle connections
 *
 * Messages of one side arrive in order. Each `ask` is followed by exactly one of `routed`, `surrender` (unless it is
 * taken back first), and each `surrender` by `moved` or `unwanted`, so neither side ever waits for nothing.
 */

import type { Address } from '../../core/address.js'
import type { CloseReason } from '../../core/close-reason.js'
import type { ConnectionIdentity } from '../../core/session/record.js'
import type { DescriptorLedger } from '../../engine/linux/ffi/ledger.js'
import type { DescriptorBudget, LooseSocket, SharedListener } from '../../ports/engine.js'
import type { ListenerSettings } from '../plane.js'
import type { ListenerCapture } from '../recording/captures.js'
import type { RecordingSeat } from '../recording/seat.js'
import type { Turn, UpstreamSettings } from '../upstreams/settings.js'
import type { Share } from '../upstreams/share.js'
import type { ServiceTurn } from '../wake/settings.js'
import type { PlainError } from './plain-error.js'
import type { RecordBatch } from './record-batch.js'
import type { SharedIds } from './shared-books.js'
import type { Words } from './shared-words.js'

/** What a worker is started with. */
export interface WorkerSeat {
  /** Its number among the planes; also the owner of its descriptors. 0 is the main thread. */
  readonly plane: number
  readonly planes: number
  readonly ids: SharedIds
  readonly ledger: DescriptorLedger
  readonly records: RecordsWanted
  /** Its part of what is shared out among those that serve. */
  readonly share: Share
  /** Its part in the recording; null when there is none. */
  readonly recording: RecordingSeat | null
  /** Likewise in the one that resource groups get. */
  readonly groups: RecordingSeat | null
}

/** `trouble`: only of connections that ended so that somebody should look at it. */
export type RecordsWanted = 'all' | 'trouble'

/** Who decides where the clients of a listener go, and who serves them. */
export type Serving =
  /** The worker, to this upstream. */
  | { readonly by: 'worker'; readonly upstream: string }
  /** The worker, to where the main thread says. */
  | { readonly by: 'answer' }
  /** The main thread, where the hooks run that want the connection's bytes. */
  | { readonly by: 'main' }

export interface WorkerListener {
  readonly settings: ListenerSettings
  /** In the live list and the records, instead of its name. */
  readonly number: number
  readonly board: SharedArrayBuffer
  readonly serving: Serving
  readonly capture: ListenerCapture | null
  /** Number of the resource group that its connections have; null: none. */
  readonly group: number | null
}

export type PlainDecision =
  | { readonly kind: 'upstream'; readonly upstream: string }
  | { readonly kind: 'endpoints'; readonly endpoints: readonly [Address, ...Address[]] }
  | { readonly kind: 'failed'; readonly reason: CloseReason; readonly error: PlainError }
  | { readonly kind: 'threw'; readonly error: PlainError }

/** Commands that are answered by `done`. */
export type Errand =
  | { readonly type: 'open'; readonly listener: WorkerListener; readonly socket: SharedListener }
  | { readonly type: 'update'; readonly listener: WorkerListener }
  | { readonly type: 'shut'; readonly name: string }

export type ToWorker =
  | Errand
  | { readonly type: 'routed'; readonly id: number; readonly decision: PlainDecision }
  | { readonly type: 'surrender'; readonly id: number }
  | { readonly type: 'upstream'; readonly settings: UpstreamSettings; readonly board: SharedArrayBuffer }
  | { readonly type: 'serve'; readonly upstream: string }
  | { readonly type: 'yield'; readonly upstream: string }
  | { readonly type: 'cut_member'; readonly upstream: string; readonly slot: number; readonly why: string }
  | { readonly type: 'service'; readonly upstream: string; readonly turn: ServiceTurn }
  | { readonly type: 'budget'; readonly budget: DescriptorBudget }
  | { readonly type: 'evict'; readonly count: number }
  | { readonly type: 'regulate'; readonly name: string }
  | { readonly type: 'kill'; readonly id: number }
  | { readonly type: 'cut' }
  /** Answered by `drained` once no connection is open. */
  | { readonly type: 'drain' }
  /** Answered by `stopped` when everything is closed; the thread ends by itself then. */
  | { readonly type: 'stop' }

/** A connection that goes on elsewhere. */
export interface MovedConnection extends ConnectionIdentity {
  readonly socket: LooseSocket
  /** ms since 1970. */
  readonly startedAt: number
  /** By `processNow`. */
  readonly acceptedAt: number
}

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly error: PlainError | null }
  | { readonly type: 'drained' }
  | { readonly type: 'stopped' }
  | { readonly type: 'ask'; readonly connection: ConnectionIdentity }
  | { readonly type: 'unwanted'; readonly id: number }
  | { readonly type: 'moved'; readonly connection: MovedConnection }
  | { readonly type: 'page'; readonly page: Words }
  | { readonly type: 'records'; readonly batch: RecordBatch }
  | { readonly type: 'room'; readonly name: string }
  | { readonly type: 'upstream_room'; readonly upstream: string }
  | { readonly type: 'wanted'; readonly upstream: string }
  | { readonly type: 'wake'; readonly upstream: string }
  | {
      readonly type: 'printed'
      readonly upstream: string
      readonly pid: number | null
      readonly line: string
    }
  | { readonly type: 'short'; readonly missing: number }
  | { readonly type: 'turned'; readonly upstream: string; readonly slot: number; readonly turn: Turn }
