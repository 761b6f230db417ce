/**
 * Those who wait on one plane for a place of an upstream, in the order they came, and what the other planes are told of them.
 *
 * - newcomer: one that has not been anywhere in vain, and can take any place. Only since when the oldest of these waits is told:
 *   whoever leaves a place to it knows that it can take it
 */

import type { QueueBoard } from './queue-board.js'
import type { Reach } from './reach.js'

/** Telling another thread takes about that long, and whoever waits a few ms less may go first: what is nearly fair costs no message. */
const LEAD_MS = 5

/** A plane that has not come for its place by then is busy with something else: the place is not kept for it any longer. */
const PATIENCE_MS = 25

export class PlaneQueue {
  readonly #board: QueueBoard
  readonly #plane: number
  /** In the order they came, each with the end of its patience. */
  readonly #waiting = new Map<Reach, NodeJS.Timeout | null>()
  /** When the last of them came, or one that was behind it. */
  #lastCameAt = 0
  #told: number | null = null
  /** Since when the one waits to whom a place was left. */
  #leftTo = 0
  #leftTimer: NodeJS.Timeout | null = null

  constructor(board: QueueBoard, plane: number) {
    this.#board = board
    this.#plane = plane
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Whether anybody here could take any place. */
  get hasNewcomers(): boolean {
    return this.#told !== null
  }

  /** Whether anybody elsewhere could. */
  get hasElder(): boolean {
    return this.#board.elder(this.#plane) !== null
  }

  has(reach: Reach): boolean {
    return this.#waiting.has(reach)
  }

  [Symbol.iterator](): Iterator<Reach> & Iterable<Reach> {
    return this.#waiting.keys()
  }

  /** False when `max` wait already, on all planes. `timer`: made only for one that waits. */
  add(reach: Reach, max: number, timer: () => NodeJS.Timeout | null): boolean {
    if (!this.#board.begin(this.#plane, max)) return false
    const isLast = this.#waiting.size === 0 || reach.cameAt >= this.#lastCameAt
    this.#waiting.set(reach, timer())
    if (isLast) this.#lastCameAt = reach.cameAt
    else this.#moveBehind(reach)
    this.#tell()
    return true
  }

  delete(reach: Reach): void {
    const timer = this.#waiting.get(reach)
    if (timer === undefined) return
    if (timer !== null) clearTimeout(timer)
    this.#waiting.delete(reach)
    this.#tell()
    this.#board.end(this.#plane)
  }

  /** Whether a client of another plane waits longer than one that came then. */
  isOthersTurn(cameAt: number): boolean {
    if (!this.#board.othersWait(this.#plane)) return false
    const elder = this.#board.elder(this.#plane)
    return elder !== null && elder.since + LEAD_MS < cameAt
  }

  /** A place is left to the plane whose client waits longest. If that does not come for it, `inVain` is called after a while. */
  leave(inVain: () => void, again: () => void): void {
    const since = this.#board.elder(this.#plane)?.since ?? 0
    if (this.#leftTimer !== null && since === this.#leftTo) return
    this.#leftTo = since
    if (this.#leftTimer !== null) clearTimeout(this.#leftTimer)
    this.#leftTimer = setTimeout(() => {
      this.#leftTimer = null
      if (this.#board.elder(this.#plane)?.since === since) inVain()
      else again()
    }, PATIENCE_MS)
    this.#leftTimer.unref()
  }

  /** True when somebody has to tell the other planes: one whose client waits longest has been called. */
  callElder(): boolean {
    const elder = this.#board.elder(this.#plane)
    return elder !== null && this.#board.call(elder.plane) && this.#board.announceRoom()
  }

  /** Those that came later go behind it, in the order they had. */
  #moveBehind({ cameAt }: Reach): void {
    for (const [reach, timer] of [...this.#waiting]) {
      if (reach.cameAt <= cameAt) continue
      this.#waiting.delete(reach)
      this.#waiting.set(reach, timer)
    }
  }

  #tell(): void {
    let oldest: number | null = null
    for (const { tried, cameAt } of this.#waiting.keys()) {
      if (tried.length > 0) continue
      oldest = cameAt
      break
    }
    if (oldest === this.#told) return
    this.#told = oldest
    this.#board.setOldest(this.#plane, oldest)
  }
}
