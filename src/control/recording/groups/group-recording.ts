/**
 * The recording that resource groups get: as any other, but that its slabs are taken on the main thread, where the groups' functions
 * live, instead of by the writer thread.
 */

import { MIN_POOL_BYTES } from '../../../core/record/slab-pool.js'
import { Room } from '../../../core/resource/backlog.js'
import type { Logger } from '../../../ports/logger.js'
import type { ResourceGroup, ResourceOptions } from '../../../ports/resource-group.js'
import { STORE_FIGURE } from '../../../ports/store.js'
import type { RecordedListener, RecordingCounters } from '../recording.js'
import { CONSEQUENCE } from '../reports.js'
import { openRecordingSite, type RecordingSite } from '../site.js'
import { within } from '../within.js'
import { Writer } from '../writer.js'
import type { StartWriter } from '../writer-link.js'
import { GroupSeat } from './group-seat.js'
import { GroupStore } from './group-store.js'
import { ResourceGroups } from './resource-groups.js'

const WHERE = 'resource groups'

const DEFAULT_CLOSE_TIMEOUT_MS = 10_000

const DEFAULT_MAX_BUFFERED_BYTES = 32 * 1024 * 1024

/**
 * Of what may be buffered, an eighth is on its way to this thread, and can become four times as much in small frames, each of which takes
 * its place in a queue. So that is what the room has for it.
 */
const PARTS = { planes: 1, soft: 2, onTheWay: 4, spare: 1 }
const ALL_PARTS = PARTS.planes + PARTS.soft + PARTS.onTheWay + PARTS.spare

/** What planes may have on its way, and the room on this side. */
const budgetOf = (maxBufferedBytes: number, planes: number) => {
  const part = Math.max(planes * MIN_POOL_BYTES, Math.floor(maxBufferedBytes / ALL_PARTS))
  const room = new Room({
    softBytes: PARTS.soft * part,
    onTheWayBytes: PARTS.onTheWay * part,
    spareBytes: PARTS.spare * part,
  })
  return { planesBytes: PARTS.planes * part, room }
}

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
  /** Of what connections said, what waits for functions: `seenBytes = storedBytes + lostBytes + cutBytes + waitingBytes`, but for what is on its way. */
  readonly waitingBytes: number
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
    room: Room,
    onStart: (started: Started) => void,
  ): StartWriter =>
  async ({ where, sectionStart, state, recording, figures }, { onLeft }) => {
    const { format = 'gogetway', overload = 'block', listeners } = options
    const { closeTimeoutMs = DEFAULT_CLOSE_TIMEOUT_MS } = options
    const interfaces = new Map(listeners.map(({ name }, index) => [name, index]))
    const store = new GroupStore({
      ...{ where, groups, format, sectionStart, interfaces, recording, figures, room },
      consequence: CONSEQUENCE[overload],
      closeTimeoutMs,
      // Packets come from the writer, so it is there.
      press: (owner, order) => writer.press(owner, order),
    })
    onStart({ store, figures })
    const writer = new Writer(store, state)
    let resolve = (): void => {}
    const ended = new Promise<void>((done) => {
      resolve = done
    })
    return {
      ended,
      serve: (owner, seat) => writer.serve(owner, seat),
      leave: (owner) => writer.leave(owner, () => onLeft(owner)),
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
  readonly #room: Room
  readonly #started: Started
  readonly #closeTimeoutMs: number
  readonly #logger: Logger

  private constructor(
    groups: ResourceGroups,
    site: RecordingSite,
    room: Room,
    started: Started,
    { closeTimeoutMs = DEFAULT_CLOSE_TIMEOUT_MS, logger }: GroupRecordingOptions,
  ) {
    this.groups = groups
    this.site = site
    this.#room = room
    this.here = new GroupSeat(site.seat(0))
    this.#started = started
    this.#closeTimeoutMs = closeTimeoutMs
    this.#logger = logger
  }

  static async open(options: GroupRecordingOptions): Promise<GroupRecording> {
    const { group, byListener, overload, planes, listeners, application, logger } = options
    const { maxBufferedBytes = DEFAULT_MAX_BUFFERED_BYTES } = options
    const { planesBytes, room } = budgetOf(maxBufferedBytes, planes)
    const groups = new ResourceGroups(logger)
    groups.set(group)
    for (const [listener, own] of Object.entries(byListener)) groups.set(own, listener)
    let started: Started | null = null
    const site = await openRecordingSite(
      {
        store: { where: WHERE, spec: { kind: 'own' }, close: async () => {} },
        ...(overload === undefined ? {} : { overload }),
        maxBufferedBytes: planesBytes,
        planes,
        listeners,
        application,
        logger,
      },
      startHere(options, groups, room, (here) => {
        started = here
      }),
    )
    if (started === null) throw new Error('a site starts its writer')
    return new GroupRecording(groups, site, room, started, options)
  }

  counters(): ResourceCounters {
    const { store, figures } = this.#started
    const { frames, bytes } = store.handedOver
    const { waitingBytes, lostBytes } = store.notHandedOver
    const taken = this.site.counters()
    return {
      ...taken,
      // Planes count as stored what the store has taken from them. One may count a moment after the store.
      storedBytes: Math.max(0, taken.storedBytes - waitingBytes - lostBytes),
      lostBytes: taken.lostBytes + lostBytes,
      waitingBytes,
      bufferedBytes: taken.bufferedBytes + this.#room.usedBytes,
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
    const { store } = this.#started
    const before = store.notHandedOver.lostBytes
    const timeoutMs = this.#closeTimeoutMs
    await this.site.close(timeoutMs)
    const lostBytes = store.notHandedOver.lostBytes - before
    if (lostBytes > 0)
      this.#logger.warn(
        { lostBytes },
        `functions of resource groups have not taken ${lostBytes} bytes in ${timeoutMs} ms: they are lost`,
      )
    // Half of it for the hooks of their connections, and the rest to flush.
    if (!(await within(this.groups.closeAll(timeoutMs / 2), timeoutMs)))
      this.#logger.warn({}, `resource groups are not closed after ${timeoutMs} ms`)
  }
}
