/**
 * One TCP connection, as its packets tell it.
 *
 *     following -> closed      on RST; or once both FINs were given out and acknowledged
 *     following -> closed      on a `close` annotation; a connection that Tidegate recorded waits for it, since it has the
 *                              ledger, and comes on the last packet, after the FINs
 *
 * It may lie in several files. Each later one takes it over by an `open` annotation that says which positions it has
 * come to; what is before them is in the files before, whether they are read as well or not.
 *
 * A closed connection is kept in mind, so that late packets (retransmitted FINs, last acknowledgments) do not
 * look like another.
 */

import { viewOf } from '../bytes.js'
import type { ConversationEvent } from '../conversation.js'
import { type Direction, opposite } from '../direction.js'
import type { CloseAnnotation, ContinueAnnotation, LostRange, OpenAnnotation } from '../record/annotation.js'
import { Flow, type HeldBudget } from './flow.js'
import { absencesOf, type Notes } from './notes.js'
import { type Segment, TCP_FLAG } from './segment.js'

export interface ConnectionIdentity {
  /** Counted from 1. */
  readonly number: number
  readonly key: string
  /** Whether the client comes first in `key`. */
  readonly clientIsFirst: boolean
  readonly timeNs: bigint
}

export class Connection {
  readonly number: number
  readonly key: string
  /** Number in the `open` annotation; null for a connection that Tidegate did not record, or whose start is missing. */
  recordedId: number | null = null
  /** The run of the gateway that this number is unique in; null where the recording does not say. */
  recording: string | null = null
  isClosed = false
  readonly #clientIsFirst: boolean
  readonly #flows: Readonly<Record<Direction, Flow>>
  #wasReset = false
  /** Its file ended before it did. */
  #isContinued = false
  /** That it did, and is not told yet: what is held is before it. */
  #untold: ContinueAnnotation | null = null
  #lastNs: bigint

  constructor({ number, key, clientIsFirst, timeNs }: ConnectionIdentity, budget: HeldBudget) {
    this.number = number
    this.key = key
    this.#clientIsFirst = clientIsFirst
    this.#lastNs = timeNs
    this.#flows = {
      upstream: new Flow(number, 'upstream', budget),
      downstream: new Flow(number, 'downstream', budget),
    }
  }

  #directionOf(segment: Segment): Direction {
    return segment.sourceIsFirst === this.#clientIsFirst ? 'upstream' : 'downstream'
  }

  /** Whether a packet between the same ends, recorded by this run of a gateway, is of another connection than this one. */
  isOver(segment: Segment, notes: Notes, recording: string | null): boolean {
    if (this.recordedId !== null && recording !== this.recording) return true
    if (notes.open !== null && (this.isClosed || this.recordedId !== null))
      return notes.open.id !== this.recordedId
    if ((segment.flags & TCP_FLAG.syn) === 0) return false
    const flow = this.#flows[this.#directionOf(segment)]
    return flow.begun && flow.initial !== segment.sequence
  }

  /** `packet` is what `segment` was read from. */
  take(packet: Uint8Array, segment: Segment, notes: Notes, timeNs: bigint, out: ConversationEvent[]): void {
    if (this.isClosed || this.#isLate(notes)) return
    this.#tellContinued(out)
    this.#lastNs = timeNs
    this.#isContinued = false
    const direction = this.#directionOf(segment)
    if (notes.open !== null) this.#introduce(notes.open, direction, segment, notes, out)
    this.#takeStream(direction, packet, segment, notes, timeNs, out)
    const other = this.#flows[opposite(direction)]
    // An acknowledged FIN says that nothing will fill the holes before it; in a recording of ours the close says it, and why they are there.
    if (this.recordedId === null && (segment.flags & TCP_FLAG.ack) !== 0 && other.begun)
      other.acknowledge(segment.acknowledgment, timeNs, out)
    if ((segment.flags & TCP_FLAG.rst) !== 0) this.#wasReset = true
    if (notes.continued?.id === this.recordedId) this.#continue(notes.continued, out)
    if (notes.close !== null) this.#closeAsRecorded(notes.close, out)
    else if (this.recordedId === null && this.#isFinished) this.finish(out)
  }

  #introduce(
    { id, continues }: OpenAnnotation,
    towards: Direction,
    { sequence, acknowledgment }: Segment,
    { gaps }: Notes,
    out: ConversationEvent[],
  ): void {
    this.recordedId = id
    if (continues === undefined) return
    for (const direction of ['upstream', 'downstream'] as const) {
      const flow = this.#flows[direction]
      const position = continues[direction]
      const next = direction === towards ? sequence : acknowledgment
      const losses = gaps.filter((gap) => gap.direction === direction)
      if (flow.begun) flow.continueAt(position, next, losses, this.#lastNs, out)
      // At its very beginning: a file may end between a connection's SYN and the answer to it.
      else if (position === 0) flow.beginAfterSyn((next - 1) >>> 0)
      else flow.begin(next, position)
      flow.isAbsolute = true
    }
  }

  #continue(annotation: ContinueAnnotation, out: ConversationEvent[]): void {
    this.#isContinued = true
    this.#untold = annotation
    const { upstream, downstream } = this.#flows
    if (!upstream.waits && !downstream.waits) this.#tellContinued(out)
  }

  #tellContinued(out: ConversationEvent[]): void {
    if (this.#untold === null) return
    const { upstream, downstream } = this.#untold
    this.#untold = null
    out.push({ kind: 'continue', connection: this.number, timeNs: this.#lastNs, upstream, downstream })
  }

  /** The close of an earlier connection between the same ends: it may be written late, when writing failed for a while. */
  #isLate({ close }: Notes): boolean {
    return close !== null && this.recordedId !== null && close.id !== this.recordedId
  }

  get #isFinished(): boolean {
    const { upstream, downstream } = this.#flows
    return this.#wasReset || (upstream.finAcknowledged && downstream.finAcknowledged)
  }

  #takeStream(
    direction: Direction,
    packet: Uint8Array,
    segment: Segment,
    notes: Notes,
    timeNs: bigint,
    out: ConversationEvent[],
  ): void {
    const flow = this.#flows[direction]
    const { flags, payloadAt, captured, payloadLength } = segment
    const isSyn = (flags & TCP_FLAG.syn) !== 0
    const sequence = isSyn ? (segment.sequence + 1) >>> 0 : segment.sequence
    const gaps =
      notes.gaps.length === 0 ? notes.gaps : notes.gaps.filter((gap) => gap.direction === direction)
    if (isSyn) this.#begin(direction, segment)
    else if (!flow.begun && !this.#joinMidStream(flow, segment, notes, gaps)) return
    const lastGap = gaps.at(-1)
    const lostUntil = lastGap === undefined ? 0 : lastGap.at + lastGap.length
    const at = flow.positionOf(sequence, lostUntil)
    if (lostUntil > 0) flow.loseUntil(Math.min(lostUntil, at), gaps, timeNs, out)
    // What some stacks send along with a RST is an explanation, not part of the stream.
    if ((flags & TCP_FLAG.rst) !== 0) return
    if (payloadLength > 0) flow.receive(at, viewOf(packet, payloadAt, captured), payloadLength, timeNs, out)
    if ((flags & TCP_FLAG.fin) !== 0) flow.fin(at + payloadLength, timeNs, out)
  }

  #begin(direction: Direction, { sequence, acknowledgment, flags }: Segment): void {
    const flow = this.#flows[direction]
    const other = this.#flows[opposite(direction)]
    if (!flow.begun) flow.beginAfterSyn(sequence)
    if ((flags & TCP_FLAG.ack) !== 0 && !other.begun) other.beginAfterSyn((acknowledgment - 1) >>> 0)
  }

  /**
   * The first packet of a direction whose SYN was not captured. A bare acknowledgment shows no position that
   * could be relied on (a keep-alive probe is one byte behind), unless it is one Tidegate wrote.
   */
  #joinMidStream(flow: Flow, segment: Segment, notes: Notes, gaps: readonly LostRange[]): boolean {
    const first = gaps[0]
    const last = gaps.at(-1)
    flow.isAbsolute = this.recordedId !== null || first !== undefined
    if (first !== undefined && last !== undefined) {
      flow.begin(segment.sequence - (last.at + last.length - first.at), first.at)
      return true
    }
    const showsPosition =
      segment.payloadLength > 0 || (segment.flags & TCP_FLAG.fin) !== 0 || notes.open !== null
    if (showsPosition && (segment.flags & TCP_FLAG.rst) === 0) flow.begin(segment.sequence, 0)
    return flow.begun
  }

  #closeAsRecorded(annotation: CloseAnnotation, out: ConversationEvent[]): void {
    for (const direction of ['upstream', 'downstream'] as const) {
      const flow = this.#flows[direction]
      const { seen } = annotation[direction]
      const losses = absencesOf(annotation[direction])
      const isAbsolute = flow.isAbsolute || (this.recordedId !== null && !flow.begun)
      // Before the FIN, where it waits behind the loss.
      if (isAbsolute && !flow.finGiven) flow.loseUntil(seen, losses, this.#lastNs, out)
      flow.flush(this.#lastNs, out, losses)
    }
    this.#close(annotation, out)
  }

  /** No packet of it will be taken any more: gives out what is held back, and the close if there was one. */
  finish(out: ConversationEvent[]): void {
    if (this.isClosed) return
    const { upstream, downstream } = this.#flows
    upstream.flush(this.#lastNs, out)
    downstream.flush(this.#lastNs, out)
    this.#tellContinued(out)
    const hasEnded = this.#wasReset || (upstream.finGiven && downstream.finGiven)
    if (hasEnded && !this.#isContinued) this.#close(null, out)
  }

  #close(annotation: CloseAnnotation | null, out: ConversationEvent[]): void {
    this.isClosed = true
    const { upstream, downstream } = this.#flows
    const how = this.#wasReset && !(upstream.finGiven && downstream.finGiven) ? 'reset' : 'fin'
    out.push({ kind: 'close', connection: this.number, timeNs: this.#lastNs, annotation, how })
  }
}
