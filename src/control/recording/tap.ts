/** One connection's ear: passes what it hears to the recording, and its link's brake to who needs it. */

import type { CloseReason } from '../../core/close-reason.js'
import type { Direction } from '../../core/direction.js'
import type { ConnectionTrack } from '../../core/record/track.js'
import type { ConnectionTap, Holdable } from './recording.js'

/** What a tap reports to. */
export interface TapListener {
  data(tap: Tap, chunk: Uint8Array, direction: Direction): void
  endOfStream(tap: Tap, direction: Direction): void
  closed(tap: Tap, reason: CloseReason): void
}

export class Tap implements ConnectionTap {
  readonly track: ConnectionTrack
  readonly #listener: TapListener
  readonly #link: () => Holdable | null
  /** Why it is to hold: as all are, or by itself. */
  #heldAsAll = false
  #heldAlone = false
  /** The link that was told to hold: holds are not nested, and only what was held is released. */
  #held: Holdable | null = null

  constructor(listener: TapListener, track: ConnectionTrack, link: () => Holdable | null) {
    this.#listener = listener
    this.track = track
    this.#link = link
  }

  data(chunk: Uint8Array, direction: Direction): void {
    this.#listener.data(this, chunk, direction)
  }

  endOfStream(direction: Direction): void {
    this.#listener.endOfStream(this, direction)
  }

  close(reason: CloseReason): void {
    this.#listener.closed(this, reason)
  }

  hold(): void {
    this.#heldAsAll = true
    this.#settle()
  }

  release(): void {
    this.#heldAsAll = false
    this.#settle()
  }

  /** Whatever is said to all. */
  holdAlone(isHeld: boolean): void {
    this.#heldAlone = isHeld
    this.#settle()
  }

  disconnect(error: Error): void {
    this.#link()?.destroy('error', error)
  }

  #settle(): void {
    if (this.#heldAsAll || this.#heldAlone) {
      if (this.#held !== null) return
      this.#held = this.#link()
      this.#held?.hold()
      return
    }
    const held = this.#held
    this.#held = null
    held?.release()
  }
}
