/**
 * A store that hands what is recorded to the program: each connection's frames to the resource that its group has for it. A write is
 * done when all frames in it have been taken, so a slow function counts as a slow store. One that fails does not make
 * the write fail, since others have taken theirs: it is counted by itself.
 */

import type { Direction } from '../../../core/direction.js'
import type { OpenAnnotation } from '../../../core/record/annotation.js'
import type { PacketBlock } from '../../../core/record/packet-blocks.js'
import { type FrameFormat, gogetwayFrame, packetFrame } from '../../../core/resource/framing.js'
import { Talks, type TalkVisitor } from '../../../core/resource/talks.js'
import type { WriteContext } from '../../../core/resource/write-function.js'
import { TidegateError } from '../../../errors.js'
import type { ConnectResource, GotResource } from '../../../ports/resource-group.js'
import { STORE_FIGURE, type Store } from '../../../ports/store.js'
import { Batch } from './batch.js'
import { type Frame, type Framed, GroupedConnection, type Handover } from './grouped-connection.js'
import { Outlet } from './outlet.js'
import type { ResourceGroups } from './resource-groups.js'
import { decodeStamp } from './stamp.js'

export interface GroupStoreOptions {
  readonly where: string
  readonly groups: ResourceGroups
  readonly format: FrameFormat
  /** Of pcapng: what begins each stream of blocks, and which interface each listener is in it. Others are 0. */
  readonly sectionStart: Uint8Array
  readonly interfaces: ReadonlyMap<string, number>
  readonly recording: string
  /** See `STORE_FIGURE`. */
  readonly figures: Float64Array
}

/** Of the frames that have been taken. */
export interface HandedOver {
  readonly frames: number
  readonly bytes: number
}

const NOTHING = new Uint8Array(0)

const joined = (start: Uint8Array, rest: Uint8Array): Uint8Array => {
  const all = new Uint8Array(start.length + rest.length)
  all.set(start)
  all.set(rest, start.length)
  return all
}

export class GroupStore implements Store, Handover, TalkVisitor<GroupedConnection | null> {
  readonly where: string
  readonly recording: string
  readonly #options: GroupStoreOptions
  readonly #talks = new Talks<GroupedConnection | null>(this)
  readonly #outlets = new WeakMap<ConnectResource, Outlet>()
  /** Sinks that have had the section's start. */
  readonly #begun = new WeakSet<object>()
  #batch = new Batch()
  #frames = 0
  #bytes = 0
  #isClosed = false

  constructor(options: GroupStoreOptions) {
    this.#options = options
    this.where = options.where
    this.recording = options.recording
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get handedOver(): HandedOver {
    return { frames: this.#frames, bytes: this.#bytes }
  }

  write(bytes: Uint8Array): void | Promise<void> {
    this.#batch = new Batch()
    this.#talks.push(bytes)
    return this.#batch.finished()
  }

  /** Frames whose turn has not come are let go, and all connections are over. */
  close(): void {
    this.#isClosed = true
    this.#talks.end(() => true)
  }

  /** Nothing comes of this seat any more: its connections are over. */
  seatLeft(owner: number): void {
    this.#talks.end((connection) => connection?.stamp.owner === owner)
    this.#options.groups.seatLeft(owner)
  }

  opened(open: OpenAnnotation): GroupedConnection | null {
    const stamp = decodeStamp(open.listener)
    const used = stamp === null ? null : this.#options.groups.opened(stamp)
    if (stamp === null || used === null) {
      this.failed()
      return null
    }
    const connection = new GroupedConnection(this, used, stamp, open)
    connection.start()
    return connection
  }

  packet(
    connection: GroupedConnection | null,
    block: PacketBlock,
    payload: Uint8Array,
    direction: Direction,
  ): void {
    if (connection === null) return
    const data = this.#options.format === 'pcapng' ? block.whole : payload
    if (data.length === 0) return
    connection.push({ data, timeNs: block.timeNs, direction, batch: this.#batch })
  }

  closed(connection: GroupedConnection | null): void {
    connection?.close()
  }

  outletOf(got: GotResource): Outlet {
    const resource = got?.resource
    if (typeof resource !== 'object' || resource === null)
      throw new TidegateError('value_invalid', 'getResource must return { resource, onClose }', {
        fault: 'hook',
      })
    const known = this.#outlets.get(resource) ?? new Outlet(resource)
    this.#outlets.set(resource, known)
    return known
  }

  framed(outlet: Outlet, { data, timeNs }: Frame, context: WriteContext, listener: string): Framed {
    const { format, interfaces, sectionStart } = this.#options
    if (format === 'gogetway') return { bytes: gogetwayFrame(data, timeNs, context), begins: null }
    const block = packetFrame(data, listener, interfaces.get(listener) ?? 0)
    const { sink } = outlet
    const hasBegun = this.#begun.has(sink)
    // At once, not when it is taken: others that share the writer come after this one, and have begun too.
    this.#begun.add(sink)
    return { bytes: joined(hasBegun ? NOTHING : sectionStart, block), begins: hasBegun ? null : sink }
  }

  taken({ bytes }: Framed): void {
    this.#frames++
    this.#bytes += bytes.length
  }

  refused({ begins }: Framed): void {
    if (begins !== null) this.#begun.delete(begins)
  }

  failed(): void {
    const { figures } = this.#options
    const { functionFailures } = STORE_FIGURE
    figures[functionFailures] = (figures[functionFailures] ?? 0) + 1
  }

  ended(connection: GroupedConnection): void {
    this.#options.groups.ended(connection.used)
  }
}
