/**
 * What the recorder knows of one connection and of its two streams.
 */

import { type Address, formatAddress } from '../address.js'
import type { CloseReason } from '../close-reason.js'
import { encodeText } from '../codec/pcapng/writer.js'
import type { Direction } from '../direction.js'
import type { RedactStream } from '../redact/redaction.js'
import { encodeAnnotation, type LostRange } from './annotation.js'
import { type Capture, EVERYTHING } from './capture.js'
import type { PacketEnds } from './endpoints.js'
import { insertRange, Ledger } from './ledger.js'
import type { Slab } from './slab.js'
import { type PacketRoute, packetRoutes } from './tcp-packet.js'

export interface ConnectionSpec {
  /** The gateway's own number. */
  readonly id: number
  readonly listener: string
  readonly client: Address
  readonly server: Address
}

/** Losses and cuts that wait to be told on their direction's next packet. More are left to the ledger. */
const MAX_UNTOLD = 16

/** What a `gap` annotation says. */
export interface Gap extends LostRange {
  readonly isCut: boolean
}

/** Spreads initial sequence numbers over the whole range, so that a reused address and port begins visibly anew. */
export const initialSequence = (id: number, salt: number): number => {
  let value = Math.imul(id ^ salt, 0x9e3779b1)
  value = Math.imul(value ^ (value >>> 15), 0x85ebca6b)
  return (value ^ (value >>> 13)) >>> 0
}

export class StreamTrack {
  readonly connection: ConnectionTrack
  readonly direction: Direction
  readonly route: PacketRoute
  readonly ledger = new Ledger()
  /** What is seen from here on has not been written, lost or cut yet: the redaction holds it. */
  next = 0
  /** Masks what is to be stored; made anew after a cut. */
  redaction: RedactStream | null = null
  /** The source's FIN: not seen; seen and to be written; in a slab. */
  fin: 'none' | 'due' | 'written' = 'none'
  /** Packets since the other direction last acknowledged this one. */
  unacknowledged = 0
  /** Where its latest run of data is; see {@link Slab.addRun}. */
  lastSlab: Slab | null = null
  lastRun = 0
  readonly #isn: number
  #untold: Gap[] = []
  /** Since when what is seen is being cut, and why: `[#cutFrom, next)`. Null: it is not. */
  #cutWhy: string | null = null
  #cutFrom = 0
  /** How much of what the redaction holds was cut already: what it saw while the recording was switched off. */
  cutHeld = 0

  constructor(connection: ConnectionTrack, direction: Direction, route: PacketRoute, isn: number) {
    this.connection = connection
    this.direction = direction
    this.route = route
    this.#isn = isn
  }

  get opposite(): StreamTrack {
    return this.direction === 'upstream' ? this.connection.downstream : this.connection.upstream
  }

  get synSequence(): number {
    return this.#isn
  }

  /** Of the byte at this position; the SYN took one number. */
  sequenceAt(at: number): number {
    return this.#isn + 1 + at
  }

  /** After everything said so far. */
  get nextSequence(): number {
    return this.sequenceAt(this.next) + (this.fin === 'none' ? 0 : 1)
  }

  lose(at: number, length: number, why: string): void {
    this.tell({ ...this.ledger.lose(at, length, why), isCut: false })
  }

  /** Leaves out what is seen and not dealt with; returns how much. No allocation: this may be done for each chunk. */
  cut(why: string): number {
    const { next, ledger } = this
    if (this.#cutWhy !== why) {
      this.endCut()
      this.#cutWhy = why
      this.#cutFrom = next
    }
    this.next = ledger.seen
    return ledger.seen - next
  }

  /** Why bytes are left out just now; null: they are not. */
  get cutWhy(): string | null {
    return this.#cutWhy
  }

  /** Enters what was cut: something else follows. */
  endCut(): void {
    const why = this.#cutWhy
    if (why === null) return
    this.#cutWhy = null
    const length = this.next - this.#cutFrom
    if (length > 0) this.tell({ ...this.ledger.cut(this.#cutFrom, length, why), isCut: true })
  }

  tell(range: Gap): void {
    insertRange(this.#untold, range)
    if (this.#untold.length > MAX_UNTOLD) this.#untold.shift()
  }

  get hasUntold(): boolean {
    return this.#untold.length > 0
  }

  takeUntold(): readonly Gap[] {
    const untold = this.#untold
    this.#untold = []
    return untold
  }

  get untold(): readonly Gap[] {
    return this.#untold
  }
}

export interface Ending {
  readonly reason: CloseReason
  readonly timeMs: number
}

export class ConnectionTrack {
  readonly spec: ConnectionSpec
  /** What its packets carry. */
  readonly ends: PacketEnds
  readonly interfaceIndex: number
  readonly capture: Capture
  readonly upstream: StreamTrack
  readonly downstream: StreamTrack
  /** The `open` annotation is not on its way: it goes on the next packet. */
  openDue = true
  /** Runs and notes in slabs whose fate is not known yet. */
  unsettled = 0
  /** Which direction ended last, if both did: the other acknowledges it with the connection's last packet. */
  lastFin: StreamTrack | null = null
  /** Set once the connection is over, until its close has been stored. */
  ending: Ending | null = null
  /** The recorder asked for its end; once is enough. */
  disconnected = false
  /** Its bytes are left out: what takes them is too slow. */
  isPressed = false

  /** `salt` tells this recording's sequence numbers from those of others. */
  constructor(
    spec: ConnectionSpec,
    ends: PacketEnds,
    interfaceIndex: number,
    salt: number,
    capture: Capture = EVERYTHING,
  ) {
    this.spec = spec
    this.ends = ends
    this.interfaceIndex = interfaceIndex
    this.capture = capture
    const routes = packetRoutes(ends)
    this.upstream = new StreamTrack(this, 'upstream', routes.upstream, initialSequence(spec.id, salt))
    this.downstream = new StreamTrack(this, 'downstream', routes.downstream, initialSequence(spec.id, ~salt))
  }

  /** The stream whose source sends the connection's last packet, and whether that packet breaks it. */
  lastWord(reason: CloseReason): { readonly stream: StreamTrack; readonly reset: boolean } {
    if (this.lastFin !== null && this.lastFin.opposite.fin !== 'none')
      return { stream: this.lastFin.opposite, reset: false }
    return { stream: reason === 'client_reset' ? this.upstream : this.downstream, reset: true }
  }

  openComment(): Uint8Array {
    const { id, listener, client, server } = this.spec
    return encodeText(
      encodeAnnotation({
        kind: 'open',
        id,
        listener,
        client: formatAddress(client),
        server: formatAddress(server),
      }),
    )
  }

  closeComment(reason: CloseReason): Uint8Array {
    return encodeText(
      encodeAnnotation({
        kind: 'close',
        id: this.spec.id,
        reason,
        upstream: this.upstream.ledger.entry(),
        downstream: this.downstream.ledger.entry(),
      }),
    )
  }
}

export const gapComment = (direction: Direction, { at, length, why, isCut }: Gap): Uint8Array =>
  encodeText(
    encodeAnnotation({ kind: 'gap', direction, at, length, why, ...(isCut ? { cut: true as const } : {}) }),
  )
