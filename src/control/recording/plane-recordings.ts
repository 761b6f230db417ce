/**
 * What a plane records into: the recording that the config asks for, the one that resource groups get, or both. Where it is one,
 * a connection has that one's tap and nothing in between.
 */

import type { CloseReason } from '../../core/close-reason.js'
import type { Direction } from '../../core/direction.js'
import { Captures, type ListenerCapture } from './captures.js'
import type { GroupSeat } from './groups/group-seat.js'
import type { ConnectionTap, Holdable, RecordedConnection, Recording } from './recording.js'

/** Holds of a link are not nested; so of two that hold it, the last to let go releases it. */
class SharedLink implements Holdable {
  readonly #link: () => Holdable | null
  #holds = 0

  constructor(link: () => Holdable | null) {
    this.#link = link
  }

  readonly get = (): Holdable | null => (this.#link() === null ? null : this)

  hold(): void {
    if (this.#holds++ === 0) this.#link()?.hold()
  }

  release(): void {
    if (--this.#holds === 0) this.#link()?.release()
  }

  destroy(reason: CloseReason, error?: Error): void {
    this.#link()?.destroy(reason, error)
  }
}

class TwoTaps implements ConnectionTap {
  readonly #one: ConnectionTap
  readonly #other: ConnectionTap

  constructor(one: ConnectionTap, other: ConnectionTap) {
    this.#one = one
    this.#other = other
  }

  data(chunk: Uint8Array, direction: Direction): void {
    this.#one.data(chunk, direction)
    this.#other.data(chunk, direction)
  }

  endOfStream(direction: Direction): void {
    this.#one.endOfStream(direction)
    this.#other.endOfStream(direction)
  }

  close(reason: CloseReason): void {
    this.#one.close(reason)
    this.#other.close(reason)
  }
}

export class PlaneRecordings {
  readonly #recording: Recording | null
  readonly #groups: GroupSeat | null
  readonly #captures = new Captures()

  constructor(recording: Recording | null, groups: GroupSeat | null) {
    this.#recording = recording
    this.#groups = groups
  }

  /** What is recorded of the listener's connections to come; null: nothing, but for what resource groups get. */
  enter(listener: string, capture: ListenerCapture | null): void {
    this.#captures.enter(listener, capture)
  }

  /** @param group that the listener's connections have now; null: none. Null: nobody records this connection. */
  open(
    connection: RecordedConnection,
    group: number | null,
    link: () => Holdable | null,
  ): ConnectionTap | null {
    const groups = group === null ? null : this.#groups
    // Groups get all of a listener whose config says nothing of what is recorded, and else what it says.
    const isLimited = this.#captures.has(connection.listener)
    const capture = isLimited ? this.#captures.select(connection) : null
    const recording =
      capture === null || !this.#captures.isRecorded(connection.listener) ? null : this.#recording
    const isGrouped = groups !== null && group !== null && (capture !== null || !isLimited)
    if (!isGrouped) return recording === null ? null : recording.open(connection, link, capture ?? undefined)
    if (recording === null) return groups.open(connection, group, link, capture ?? undefined)
    const shared = new SharedLink(link)
    return new TwoTaps(
      recording.open(connection, shared.get, capture ?? undefined),
      groups.open(connection, group, shared.get, capture ?? undefined),
    )
  }

  /** Hands over what is left, and waits for it to be written. */
  async close(): Promise<void> {
    await Promise.all([this.#recording?.close(), this.#groups?.close()])
  }
}
