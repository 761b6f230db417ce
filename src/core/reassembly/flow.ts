/**
 * One direction of a TCP connection: puts its segments in order.
 *
 * - position: counts the stream's bytes from 0, lost ones too, beyond 4 GiB; a sequence number is a position modulo 2^32
 *   plus the initial one
 * - held: segments that came before their turn wait for the hole before them to be filled
 * - hole: bytes between what was given out and what is held. It is given up, as a gap, when too much is held or
 *   when it is known that nothing will fill it
 */

import { viewOf } from '../bytes.js'
import type { ConversationEvent, GapEvent } from '../conversation.js'
import type { Direction } from '../direction.js'
import type { Absence } from './notes.js'

/**
 * Segments of one direction held at once. Reordering spans a few packets; a retransmission fills its hole within about a
 * round trip, of which 1 MiB is 10 ms at 100 MB/s. tshark, too, waits no longer than the capture lets it.
 */
const MAX_HELD_BYTES = 1024 * 1024
/** All directions together, so that many broken connections at once stay bounded as well. */
const MAX_HELD_IN_ALL = 64 * 1024 * 1024
/** What a held segment costs besides its bytes, so that a million of one byte each count for what they are. */
const HELD_OVERHEAD_BYTES = 128

const SEQUENCE_SPACE = 2 ** 32

export const CUT_BY_CAPTURE = 'packet cut short by the capture'

const NO_LOSSES: readonly Absence[] = []
const NO_BYTES = new Uint8Array(0)

/** Why bytes are missing that an earlier file than these, but none of these, has. */
export const ELSEWHERE = 'in a file that is not among these'

type GapCause = Pick<GapEvent, 'why' | 'cut' | 'elsewhere'>

const UNEXPLAINED: GapCause = { why: undefined }
const NOT_HERE: GapCause = { why: ELSEWHERE, elsewhere: true }
const SHORTENED: GapCause = { why: CUT_BY_CAPTURE }

interface Held {
  readonly at: number
  readonly bytes: Uint8Array
  /** In the stream; more than there are bytes where some are missing. */
  readonly length: number
  /** Why there are fewer bytes than that. */
  readonly shortened: GapCause
}

/** How far ahead of a hole a later file may begin for the hole to be waited for: beyond 2 GiB sequence numbers are ambiguous. */
const MAX_AHEAD = SEQUENCE_SPACE / 4

/** What all flows together hold. */
export interface HeldBudget {
  used: number
}

/** `out` receives what can be given out, `timeNs` is when: the time of the packet that made it possible. */
export class Flow {
  /** Position of the next byte to give out. */
  at = 0
  /** Sequence number of the SYN, where one was seen or acknowledged. */
  initial: number | null = null
  /** Whether positions count from the connection's first byte, not only from the first one captured. */
  isAbsolute = false
  finGiven = false
  finAcknowledged = false
  readonly #connection: number
  readonly #direction: Direction
  readonly #budget: HeldBudget
  /** Sequence number of the byte at `at`; null until a packet shows it. */
  #sequence: number | null = null
  /** Position of the FIN, once it was seen. */
  #finAt: number | null = null
  #held: Held[] = []
  #heldBytes = 0

  constructor(connection: number, direction: Direction, budget: HeldBudget) {
    this.#connection = connection
    this.#direction = direction
    this.#budget = budget
  }

  get begun(): boolean {
    return this.#sequence !== null
  }

  /** Whether something is held: there is a hole that may still be filled, or explained. */
  get waits(): boolean {
    return this.#held.length > 0
  }

  /** The byte at position `at` has this sequence number. */
  begin(sequence: number, at: number): void {
    this.at = at
    this.#sequence = sequence >>> 0
  }

  beginAfterSyn(initial: number): void {
    this.initial = initial
    this.isAbsolute = true
    this.begin(initial + 1, 0)
  }

  /**
   * The position meant by a sequence number: the one within 2 GiB of what was given out; or, beyond a loss longer than
   * that, the first one after `lostUntil`.
   */
  positionOf(sequence: number, lostUntil = 0): number {
    const near = this.at + ((sequence - (this.#sequence ?? sequence)) | 0)
    if (near >= lostUntil) return near
    const beyond = near + Math.ceil((lostUntil - near) / SEQUENCE_SPACE) * SEQUENCE_SPACE
    return beyond - lostUntil < SEQUENCE_SPACE / 2 ? beyond : near
  }

  /** A segment: `bytes` is what was captured of its `length` bytes; kept (copied) only if its turn has not come. */
  receive(at: number, bytes: Uint8Array, length: number, timeNs: bigint, out: ConversationEvent[]): void {
    if (length === 0 || this.finGiven || at + length <= this.at) return
    if (at > this.at && !this.#makeRoom(at, bytes.length, timeNs, out)) {
      this.#hold(at, bytes, length, SHORTENED)
      return
    }
    // Making room may have brought the stream to its FIN.
    if (this.finGiven) return
    this.#give(at, bytes, length, SHORTENED, timeNs, out)
    this.#giveHeld(timeNs, out)
  }

  fin(at: number, timeNs: bigint, out: ConversationEvent[]): void {
    this.#finAt ??= at
    this.#giveHeld(timeNs, out)
  }

  /**
   * A later file goes on here: what is missing between the last byte seen and `position` is in one that is not among these, but for
   * `losses`. `sequence` is that of the byte at `position`. A hole before that last byte is another matter: it goes on waiting for
   * the later file to say why.
   */
  continueAt(
    position: number,
    sequence: number,
    losses: readonly Absence[],
    timeNs: bigint,
    out: ConversationEvent[],
  ): void {
    if (this.finGiven || position < this.at) return
    const end = this.#seenUntil
    if (this.waits && position - this.at < MAX_AHEAD) {
      if (end < position) this.#hold(end, NO_BYTES, position - end, NOT_HERE)
      return
    }
    this.loseUntil(Math.min(end, position), losses, timeNs, out)
    this.loseUntil(position, losses, timeNs, out, true)
    if (this.finGiven || position !== this.at) return
    this.begin(sequence, position)
  }

  /** The other side has received everything before this sequence number; a hole before the FIN will not be filled any more. */
  acknowledge(sequence: number, timeNs: bigint, out: ConversationEvent[]): void {
    if (this.#finAt === null || this.finAcknowledged || this.positionOf(sequence) <= this.#finAt) return
    this.finAcknowledged = true
    this.flush(timeNs, out)
  }

  /** Nothing will fill the holes before `position`. `losses` (in order) say why there are any. */
  loseUntil(
    position: number,
    losses: readonly Absence[],
    timeNs: bigint,
    out: ConversationEvent[],
    elsewhere = false,
  ): void {
    for (let first = this.#held[0]; first !== undefined && first.at < position; first = this.#held[0]) {
      this.#giveUp(first.at, losses, timeNs, out, elsewhere)
      this.#giveHeld(timeNs, out)
    }
    if (this.finGiven) return
    this.#giveUp(position, losses, timeNs, out, elsewhere)
    this.#giveHeld(timeNs, out)
  }

  /** Nothing more comes: gives out all that is held, and the FIN if it was seen. */
  flush(timeNs: bigint, out: ConversationEvent[], losses: readonly Absence[] = NO_LOSSES): void {
    const last = this.#held.at(-1)
    const end = Math.max(this.#finAt ?? 0, last === undefined ? 0 : last.at)
    this.loseUntil(end, losses, timeNs, out)
  }

  get #seenUntil(): number {
    return this.#held.reduce((end, { at, length }) => Math.max(end, at + length), this.at)
  }

  /** True when holding it would not do and everything before `at` has been given out or given up instead. */
  #makeRoom(at: number, length: number, timeNs: bigint, out: ConversationEvent[]): boolean {
    const cost = length + HELD_OVERHEAD_BYTES
    while (this.#heldBytes + cost > MAX_HELD_BYTES || this.#budget.used + cost > MAX_HELD_IN_ALL) {
      const first = this.#held[0]
      if (first === undefined || first.at >= at) {
        this.#giveUp(at, NO_LOSSES, timeNs, out)
        return true
      }
      this.#giveUp(first.at, NO_LOSSES, timeNs, out)
      this.#giveHeld(timeNs, out)
    }
    return at <= this.at
  }

  #hold(at: number, bytes: Uint8Array, length: number, shortened: GapCause): void {
    let index = this.#held.length
    for (let before = this.#held[index - 1]; before !== undefined && before.at >= at; ) {
      if (before.at === at && before.length >= length) return
      index -= 1
      before = this.#held[index - 1]
    }
    // A copy, as the chunk it lies in is not ours to keep.
    this.#held.splice(index, 0, { at, bytes: new Uint8Array(bytes), length, shortened })
    this.#charge(bytes.length + HELD_OVERHEAD_BYTES)
  }

  #charge(cost: number): void {
    this.#heldBytes += cost
    this.#budget.used += cost
  }

  #advance(length: number): void {
    this.at += length
    this.#sequence = ((this.#sequence ?? 0) + length) % SEQUENCE_SPACE
  }

  /** A segment that starts at or before `at`: what is new of it. */
  #give(
    at: number,
    bytes: Uint8Array,
    length: number,
    shortened: GapCause,
    timeNs: bigint,
    out: ConversationEvent[],
  ): void {
    const known = this.at - at
    if (known >= length) return
    const skipped = Math.min(known, bytes.length)
    const fresh = skipped === 0 ? bytes : viewOf(bytes, skipped, bytes.length - skipped)
    if (fresh.length > 0) {
      out.push({
        kind: 'data',
        connection: this.#connection,
        timeNs,
        direction: this.#direction,
        at: this.at,
        bytes: fresh,
      })
      this.#advance(fresh.length)
    }
    this.#gap(at + length, shortened, timeNs, out)
  }

  #giveHeld(timeNs: bigint, out: ConversationEvent[]): void {
    let count = 0
    for (let next = this.#held[0]; next !== undefined && next.at <= this.at; next = this.#held[count]) {
      this.#give(next.at, next.bytes, next.length, next.shortened, timeNs, out)
      this.#charge(-(next.bytes.length + HELD_OVERHEAD_BYTES))
      count += 1
    }
    if (count > 0) this.#held.splice(0, count)
    if (this.#finAt === null || this.finGiven || this.at < this.#finAt) return
    this.finGiven = true
    this.#charge(-this.#heldBytes)
    this.#held = []
    out.push({ kind: 'fin', connection: this.#connection, timeNs, direction: this.#direction })
  }

  #giveUp(
    to: number,
    losses: readonly Absence[],
    timeNs: bigint,
    out: ConversationEvent[],
    elsewhere = false,
  ): void {
    const rest: GapCause = elsewhere ? NOT_HERE : UNEXPLAINED
    for (const loss of losses) {
      const { at, length } = loss
      if (at + length <= this.at || at >= to) continue
      this.#gap(at, rest, timeNs, out)
      this.#gap(Math.min(at + length, to), loss, timeNs, out)
    }
    this.#gap(to, rest, timeNs, out)
  }

  #gap(to: number, { why, cut, elsewhere }: GapCause, timeNs: bigint, out: ConversationEvent[]): void {
    const length = to - this.at
    if (length <= 0) return
    out.push({
      kind: 'gap',
      connection: this.#connection,
      timeNs,
      direction: this.#direction,
      at: this.at,
      length,
      why,
      ...(cut ? { cut } : {}),
      ...(elsewhere ? { elsewhere } : {}),
    })
    this.#advance(length)
  }
}
