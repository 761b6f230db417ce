/**
 * One direction of a link. Small traffic is copied through the engine's shared buffer; after consecutive full buffers,
 * if nobody observes the bytes, it goes through a pipe in the kernel, and back when it becomes small. Nothing is read
 * while the destination has something to send, so that per direction at most one read waits in memory, or one
 * pipe's content in the kernel.
 *
 * It flows while nothing stops it: DECIDING (a transform's promise is pending), HELD (the link is held).
 */

import type { Direction } from '../../core/direction.js'
import type { LinkObserver } from '../../ports/engine.js'
import { hookError } from '../shared/errors.js'
import type { LinkHost, LinkPump, PumpPhase } from '../shared/link-parts.js'
import type { LinuxConn } from './conn.js'
import { EAGAIN, EINVAL, EMFILE } from './ffi/abi.js'
import { Passage } from './passage.js'
import type { PipePool } from './pipes.js'
import type { Reactor, Task } from './reactor.js'
import { systemError } from './system-error.js'

const DECIDING = 1
const HELD = 2

/**
 * A direction's share of a turn: what it may read before others are served. More would also make the kernel offer the
 * sender ever larger windows (tcp_rcvbuf_grow counts what is read per round trip), which then wait in memory, up to
 * all of tcp_rmem, when the reader stalls.
 */
const BYTES_PER_TURN = 256 * 1024

/** So many full buffers in a row are bulk. */
const FULL_READS_TO_SPLICE = 2

/** Below this a copy is cheaper than two splices; so many small ones in a row end the bulk. */
const SMALL_SPLICE_BYTES = 16 * 1024
const SMALL_SPLICES_TO_COPY = 3

export interface PumpHost extends LinkHost<Pump> {
  connBroke(conn: LinuxConn, error: Error | null): void
}

export class Pump implements LinkPump, Task {
  isQueued = false
  readonly direction: Direction
  readonly source: LinuxConn
  readonly destination: LinuxConn
  /** Bytes passed on so far. */
  passed = 0
  #hasTaken = false
  /** Bytes read so far. */
  #read = 0
  readonly #reactor: Reactor
  readonly #pipes: PipePool
  readonly #observer: LinkObserver
  readonly #host: PumpHost
  #phase: PumpPhase = 'new'
  #stops = 0
  /** Nobody looks at the bytes, and the sockets can be spliced. */
  #maySplice: boolean
  /** Nobody is told of the end before it is passed on, who could keep it back. */
  readonly #endsUnseen: boolean
  #isSplicing = false
  #fullReads = 0
  #smallSplices = 0
  /** Made when bulk begins, which it never does for most. */
  #passage: Passage | null = null
  #deciding: Uint8Array | null = null
  /** The first bytes, while they are being sent and the kernel has taken none. Nobody has seen them. */
  #untaken: Uint8Array | null = null

  constructor(
    direction: Direction,
    source: LinuxConn,
    destination: LinuxConn,
    observer: LinkObserver,
    host: PumpHost,
    reactor: Reactor,
    pipes: PipePool,
  ) {
    this.direction = direction
    this.source = source
    this.destination = destination
    this.#observer = observer
    this.#host = host
    this.#reactor = reactor
    this.#pipes = pipes
    this.#maySplice = observer.onData === undefined && observer.transform === undefined
    this.#endsUnseen = observer.onEndOfStream === undefined
  }

  get phase(): PumpPhase {
    return this.#phase
  }

  /** Something was taken that is not the destination's kernel's yet. */
  get hasPending(): boolean {
    return this.#deciding !== null || !this.destination.isDrained || (this.#passage?.bytes ?? 0) > 0
  }

  /** There is something to take, as far as is known, and it was not taken: the pump is stopped, or others have their turn. */
  get hasWaiting(): boolean {
    return this.source.hasUnread || this.source.readable
  }

  /** It has passed nothing on, nor shown it to anybody, and its source has not ended. */
  get isUntouched(): boolean {
    const isOpen = this.#phase === 'flowing' || this.#phase === 'new'
    return isOpen && (this.#untaken !== null || !this.#hasTaken)
  }

  /** The first bytes, if the kernel refused them whole. */
  takeUntaken(): Uint8Array | null {
    return this.#untaken?.slice() ?? null
  }

  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'flowing'
    this.run()
  }

  hold(): void {
    this.#stops |= HELD
  }

  release(): void {
    this.#stops &= ~HELD
    this.#reactor.enqueue(this)
  }

  /** Forwards the source's FIN. */
  forwardEnd(): void {
    if (this.#phase === 'ended') this.destination.sendFin()
  }

  /** Takes nothing more; the host hears `settled` once what was taken is written. */
  settle(): void {
    if (this.#phase === 'over') this.#host.settled()
    else {
      this.#phase = 'settling'
      this.#settleOn()
    }
  }

  /** Touches neither socket any more. With `keep`, what reached nobody goes back to the source, unread. */
  stop(keep: boolean): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    if (keep && this.#deciding !== null) this.source.giveBack(this.#deciding)
    this.#deciding = null
    const passage = this.#passage
    if (passage === null) return
    if (keep && passage.bytes > 0) this.source.giveBack(passage.takeOut())
    passage.leave()
  }

  /** For the destination: some of what waits has been written. */
  moved(): void {
    if (this.#phase !== 'over') this.#host.moved(null)
  }

  /** For the destination: the FIN is the kernel's. */
  finSent(): void {
    if (this.#phase !== 'ended') return
    this.#phase = 'over'
    this.#host.finished(this)
  }

  connBroke(conn: LinuxConn, error: Error | null): void {
    this.#host.connBroke(conn, error)
  }

  /** Moves what can be moved, within its share of the turn. */
  run(): void {
    if (this.#phase === 'settling') this.#settleOn()
    const share = this.#read + BYTES_PER_TURN
    while (this.#phase === 'flowing') {
      if (this.#passage !== null && !this.#drain(this.#passage)) return
      if (!this.#isFree) break
      if (!this.source.readable && !this.source.hasUnread) break
      if (!this.#hasTaken && !this.#host.mayTake(this)) break
      if (this.#read >= share) {
        this.#reactor.enqueue(this)
        return
      }
      if (this.source.hasUnread) this.#takeUnread()
      else if (this.#isSplicing) this.#splice()
      else this.#copy()
    }
    if (this.#passage?.bytes === 0) this.#passage.leave()
  }

  get #isFree(): boolean {
    return this.#phase === 'flowing' && this.#stops === 0 && this.destination.takesMore
  }

  #takeUnread(): void {
    const bytes = this.source.takeUnread()
    this.#take(bytes, bytes.length, false)
  }

  #copy(): void {
    const { source } = this
    const { buffer } = this.#reactor
    const got = this.#reactor.libc.receive(source.fd, buffer)
    if (got > 0) {
      this.#read += got
      if (got < buffer.length) {
        source.readShort()
        this.#fullReads = 0
      } else if (++this.#fullReads >= FULL_READS_TO_SPLICE && this.#maySplice) {
        this.#isSplicing = true
        this.#smallSplices = 0
      }
      this.#take(buffer, got, true)
      // The read that would only have found the FIN.
      if (got < buffer.length && source.hasFin && this.#isFree) this.#sourceEnded()
    } else this.#gotNothing(got, 'recv')
  }

  #splice(): void {
    this.#passage ??= new Passage(this.#reactor.libc, this.#pipes)
    const got = this.#passage.fill(this.source.fd)
    if (got > 0) {
      this.#hasTaken = true
      this.#read += got
      this.#host.moved(this)
      if (got >= SMALL_SPLICE_BYTES) this.#smallSplices = 0
      else if (++this.#smallSplices >= SMALL_SPLICES_TO_COPY) this.#copyOn()
    } else if (got === EMFILE) this.#copyOn()
    else if (got === EINVAL) {
      this.#maySplice = false
      this.#copyOn()
    } else this.#gotNothing(got, 'splice')
  }

  #copyOn(): void {
    this.#isSplicing = false
    this.#fullReads = 0
  }

  /** False when what is on its way could not all leave now. */
  #drain(passage: Passage): boolean {
    const { destination } = this
    while (passage.bytes > 0) {
      if (!destination.takesMore) return false
      const sent = passage.drain(destination.fd)
      if (sent > 0) {
        this.passed += sent
        this.#host.moved(null)
      } else {
        destination.writable = false
        if (sent !== EAGAIN) destination.broke(systemError('splice', sent))
        return false
      }
    }
    return true
  }

  #gotNothing(got: number, call: string): void {
    if (got === 0) this.#sourceEnded()
    else if (got === EAGAIN) this.source.readable = false
    else this.source.broke(systemError(call, got))
  }

  #sourceEnded(): void {
    if (this.#host.spares(this)) return
    this.#phase = 'ended'
    this.source.sawEnd()
    try {
      this.#observer.onEndOfStream?.(this.direction)
    } catch (thrown) {
      this.#fail('onEndOfStream', thrown)
      return
    }
    if (this.phase === 'ended') this.#host.sourceEnded(this)
  }

  /** `isShared`: the bytes are in the shared buffer, which the next read overwrites. */
  #take(bytes: Uint8Array, length: number, isShared: boolean): void {
    const isFirst = !this.#hasTaken
    this.#hasTaken = true
    this.#host.moved(this)
    const { transform, onData } = this.#observer
    if (transform !== undefined) this.#transform(isShared ? bytes.slice(0, length) : bytes)
    else if (onData !== undefined) this.#forward(isShared ? this.#reactor.received(length) : bytes, isShared)
    else {
      this.passed += length
      if (isFirst) this.#untaken = bytes.length === length ? bytes : bytes.subarray(0, length)
      // Behind the last bytes the end is found in this very run: both leave in one packet.
      this.destination.send(bytes, length, isShared, this.#endsUnseen && this.source.hangup)
      this.#untaken = null
    }
  }

  #transform(chunk: Uint8Array): void {
    try {
      const decided = this.#observer.transform?.(chunk, this.direction) ?? null
      if (decided === null || decided instanceof Uint8Array) this.#forward(decided, false)
      else this.#await(chunk, decided)
    } catch (thrown) {
      this.#fail('transform', thrown)
    }
  }

  #await(chunk: Uint8Array, decision: Promise<Uint8Array | null>): void {
    this.#deciding = chunk
    this.#stops |= DECIDING
    decision.then(
      (bytes) => {
        if (this.#phase === 'over') return
        this.#deciding = null
        this.#stops &= ~DECIDING
        this.#forward(bytes, false)
        this.#reactor.enqueue(this)
      },
      (thrown: unknown) => this.#fail('transform', thrown),
    )
  }

  #forward(bytes: Uint8Array | null, isBorrowed: boolean): void {
    if (bytes === null || bytes.length === 0 || this.#phase === 'over') return
    const { length } = bytes
    if (this.#observer.onData !== undefined) {
      try {
        this.#observer.onData(bytes, this.direction)
      } catch (thrown) {
        this.#fail('onData', thrown)
        return
      }
      // The observer may have ended the link. An interrupt still wants these bytes written.
      if (this.phase === 'over') return
      if (bytes.length !== length) {
        this.#fail('onData', new Error("it transferred the chunk's memory away"))
        return
      }
    }
    this.passed += length
    this.destination.send(bytes, length, isBorrowed)
  }

  #settleOn(): void {
    if (this.#passage !== null && this.destination.isOpen && !this.#drain(this.#passage)) return
    if (this.#deciding === null && (this.destination.isDrained || !this.destination.isOpen))
      this.#host.settled()
  }

  #fail(callback: string, thrown: unknown): void {
    if (this.#phase !== 'over') this.#host.hookFailed(hookError(callback, thrown))
  }
}
