/**
 * The recording that resource groups get: as any other, but that its slabs are taken on the main thread, where the groups' functions
 * live, instead of by the writer thread.
 */

import type { Logger } from '../../../ports/logger.js'
import type { ResourceGroup, ResourceOptions } from '../../../ports/resource-group.js'
import { STORE_FIGURE } from '../../../ports/store.js'
import type { RecordedListener, RecordingCounters } from '../recording.js'
import { openRecordingSite, type RecordingSite } from '../site.js'
import { within } from '../within.js'
import { Writer } from '../writer.js'
import type { StartWriter } from '../writer-link.js'
import { GroupSeat } from './group-seat.js'
import { GroupStore } from './group-store.js'
import { ResourceGroups } from './resource-groups.js'

const WHERE = 'resource groups'

/** For groups when the gateway closes, ms: half of it for their connections' hooks, and the rest to flush. */
const GROUPS_CLOSE_TIMEOUT_MS = 10_000

export interface GroupRecordingOptions extends ResourceOptions {
  /** Of all listeners that have none of their own; null: these have none. */
  readonly group: ResourceGroup | null
  readonly byListener: Readonly<Record<string, ResourceGroup>>
  readonly listeners: readonly RecordedListener[]
  readonly planes: number
  readonly application: string
  readonly logger: Logger
}

/** `storedBytes`: those that functions and writers were given, whether or not they failed. */
export interface ResourceCounters extends RecordingCounters {
  /** Groups in use, those included that only have connections left. */
  readonly groups: number
  /** Connections that have a resource just now. */
  readonly openConnections: number
  /** Frames that functions or writers have taken, and their bytes. */
  readonly frames: number
  readonly frameBytes: number
  /** Calls that threw or rejected: write functions, writers, `getResource`, `onClose`. */
  readonly functionFailures: number
}

interface Started {
  readonly store: GroupStore
  readonly figures: Float64Array
}

/** Writes to a store on this thread. `onStart` is told which. */
const startHere =
  (
    options: GroupRecordingOptions,
    groups: ResourceGroups,
    onStart: (started: Started) => void,
  ): StartWriter =>
  async ({ where, sectionStart, state, recording, figures }, { onLeft }) => {
    const { format = 'gogetway', listeners } = options
    const interfaces = new Map(listeners.map(({ name }, index) => [name, index]))
    const store = new GroupStore({ where, groups, format, sectionStart, interfaces, recording, figures })
    onStart({ store, figures })
    const writer = new Writer(store, state)
    let resolve = (): void => {}
    const ended = new Promise<void>((done) => {
      resolve = done
    })
    return {
      ended,
      serve: (owner, seat) => writer.serve(owner, seat),
      leave: (owner) =>
        writer.leave(owner, () => {
          store.seatLeft(owner)
          onLeft(owner)
        }),
      close: (timeoutMs) => {
        void writer.close(timeoutMs).finally(resolve)
      },
    }
  }

export class GroupRecording {
  readonly groups: ResourceGroups
  readonly site: RecordingSite
  /** The main thread's part in it. */
  readonly here: GroupSeat
  readonly #started: Started
  readonly #logger: Logger

  private constructor(groups: ResourceGroups, site: RecordingSite, started: Started, logger: Logger) {
    this.groups = groups
    this.site = site
    this.here = new GroupSeat(site.seat(0))
    this.#started = started
    this.#logger = logger
  }

  static async open(options: GroupRecordingOptions): Promise<GroupRecording> {
    const { group, byListener, overload, maxBufferedBytes, planes, listeners, application, logger } = options
    const groups = new ResourceGroups(logger)
    groups.set(group)
    for (const [listener, own] of Object.entries(byListener)) groups.set(own, listener)
    let started: Started | null = null
    const site = await openRecordingSite(
      {
        store: { where: WHERE, spec: { kind: 'own' }, close: async () => {} },
        ...(overload === undefined ? {} : { overload }),
        ...(maxBufferedBytes === undefined ? {} : { maxBufferedBytes }),
        planes,
        listeners,
        application,
        logger,
      },
      startHere(options, groups, (here) => {
        started = here
      }),
    )
    if (started === null) throw new Error('a site starts its writer')
    return new GroupRecording(groups, site, started, logger)
  }

  counters(): ResourceCounters {
    const { store, figures } = this.#started
    const { frames, bytes } = store.handedOver
    return {
      ...this.site.counters(),
      groups: this.groups.count,
      openConnections: this.groups.connections,
      frames,
      frameBytes: bytes,
      functionFailures: figures[STORE_FIGURE.functionFailures] ?? 0,
    }
  }

  /** Nothing has been recorded, and nobody has a seat but the main thread. */
  async abandon(): Promise<void> {
    await this.here.close()
    await this.close()
  }

  /** When the seats are closed by those who have them: lets go of what was not taken, and closes the groups. */
  async close(): Promise<void> {
    await this.site.close()
    if (!(await within(this.groups.closeAll(GROUPS_CLOSE_TIMEOUT_MS / 2), GROUPS_CLOSE_TIMEOUT_MS)))
      this.#logger.warn({}, `resource groups are not closed after ${GROUPS_CLOSE_TIMEOUT_MS} ms`)
  }
}
