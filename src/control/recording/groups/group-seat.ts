/** A plane's part in the recording that resource groups get: stamps each connection with its group. */

import type { Capture } from '../../../core/record/capture.js'
import type { ConnectionTap, Holdable, RecordedConnection, Recording } from '../recording.js'
import type { RecordingSeat } from '../seat.js'
import { startSeat } from '../seat-recording.js'
import { encodeStamp } from './stamp.js'

export class GroupSeat {
  readonly #recording: Recording
  readonly #owner: number
  /** Opened so far: as the seat itself counts them. */
  #serial = 0

  constructor(seat: RecordingSeat) {
    // A close that was given up would be a connection that its group has for ever.
    this.#recording = startSeat(seat, Number.POSITIVE_INFINITY)
    this.#owner = seat.owner
  }

  open(
    connection: RecordedConnection,
    group: number,
    link: () => Holdable | null,
    capture?: Capture,
  ): ConnectionTap {
    this.#serial++
    const { listener } = connection
    const stamp = encodeStamp({ group, owner: this.#owner, serial: this.#serial, listener })
    return this.#recording.open({ ...connection, listener: stamp }, link, capture)
  }

  async close(timeoutMs?: number): Promise<void> {
    await this.#recording.close(timeoutMs)
  }
}
