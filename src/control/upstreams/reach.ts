/**
 * One client's way to an upstream connection: one that is ready, or a dial; after a dial that failed the next endpoint; a
 * wait where all are full. No byte of the client has moved yet, so each try costs it nothing but time.
 *
 * - course: who says where to go next: an upstream (plane-upstream.ts), or a list of addresses that a hook gave (list-course.ts)
 * - place: what was taken of an endpoint for a dial; once that has connected, the session's use of it (endpoint.ts). null: nobody
 *   keeps account of the address
 */

import type { Address } from '../../core/address.js'
import type { CloseReason } from '../../core/close-reason.js'
import type { PerDirection } from '../../core/direction.js'
import { TidegateError } from '../../errors.js'
import type { Conn, Dial, DialDone, DialOptions, Engine, UpstreamLeft } from '../../ports/engine.js'

/** What a session keeps of its endpoint. Exactly one of `unused`, `ended` and `takeBack` ends it. */
export interface UpstreamUse {
  /** The connection can be taken back when its client has left, and the upstream has been silent for so long, ms; null: never. */
  readonly reuseAfterMs: number | null
  /** It had waited in a pool: it may be gone without a word, and another one is as good. */
  readonly isReplaceable: boolean
  /** It has served nobody before. */
  readonly isFresh: boolean
  /** Called once, when the session has its link. It is cut if the endpoint is found to be down, where that is wished. */
  linked(session: LinkedSession): void
  /** It never had a link: its client has gone, or the connection was found dead. It is to be closed, and nobody learns from it. */
  unused(): void
  /** The connection is closed, for this reason, after so many bytes from the upstream. */
  ended(reason: CloseReason, downstreamBytes: number): void
  /** The client has left and the link is undone; `left` of the connection is what it says. It is not the session's any more. */
  takeBack(left: UpstreamLeft): void
  /** Why the link has ended, where that takes a moment to find out; null, or not there: as it seems. */
  explain?(reason: CloseReason): Promise<Ending> | null
}

export interface Cuttable {
  cut(reason: CloseReason, error: Error): void
}

export interface LinkedSession extends Cuttable {
  /** Bytes so far. */
  readonly totals: PerDirection<number>
}

/** Why a link has ended. */
export interface Ending {
  readonly reason: CloseReason
  readonly error: Error | null
}

interface Ready {
  readonly kind: 'ready'
  readonly address: Address
  readonly conn: Conn
  readonly use: UpstreamUse
}

export type Next =
  /** `place`: what was taken for the dial. */
  | { readonly kind: 'dial'; readonly address: Address; readonly place: DialPlace | null }
  | Ready
  /** The course calls `go` when there is something new. `isForService`: there is nobody to connect to yet. */
  | { readonly kind: 'wait'; readonly isForService?: boolean }
  | { readonly kind: 'none'; readonly reason: CloseReason; readonly error: Error }

/** A place among an endpoint's connections, for one dial. Exactly one of these ends it. */
export interface DialPlace {
  /** Of the endpoint's member. */
  readonly slot: number
  /** In place of the engine's, where there is no address to dial. `local`: what the client has connected to. */
  dial?(client: Address, local: Address, done: DialDone): Dial
  /** What is sent before anything of the client, which has connected to `local`. */
  header(client: Address, local: Address): Uint8Array | null
  connected(conn: Conn): UpstreamUse
  failed(error: Error): void
  /** Given up, through no fault of the endpoint. */
  cancelled(): void
}

export interface Course {
  next(reach: Reach): Next
  /** It waits no more: its client has left. */
  forget(reach: Reach): void
}

export interface ReachHost {
  /** It waits for its turn. */
  queued(): void
  /** It waits for the service to start. */
  waking(): void
  dialling(address: Address): void
  /** `attempts` are told by `dialling`. The connection is the host's from here on. */
  reached(address: Address, conn: Conn, use: UpstreamUse | null): void
  failed(reason: CloseReason, error: Error): void
}

const NONE: readonly number[] = []

export class Reach {
  /** Whom it is for. */
  readonly client: Address
  /** Slots of the members that were dialled in vain. */
  tried: readonly number[] = NONE
  /** Its turn among those that wait: when it came to its upstream, by `processNow`; 0: not yet. */
  cameAt = 0
  /** What the last dial failed with. */
  lastError: TidegateError | null = null
  readonly #engine: Engine
  readonly #course: Course
  readonly #options: DialOptions
  readonly #conn: Conn
  readonly #host: ReachHost
  #dial: Dial | null = null
  #place: DialPlace | null = null
  /** Connected, and the header is on its way. */
  #greeting: Conn | null = null
  /** Ready, and looked at once more. */
  #waiting: Ready | null = null
  #isOver = false

  /** `conn`: the client's. */
  constructor(
    engine: Engine,
    course: Course,
    options: DialOptions,
    client: Address,
    conn: Conn,
    host: ReachHost,
  ) {
    this.client = client
    this.#engine = engine
    this.#course = course
    this.#options = options
    this.#conn = conn
    this.#host = host
  }

  /** Goes on: at the beginning, and when the course has something new. False when it has to wait on. */
  go(): boolean {
    if (this.#isOver) return true
    const next = this.#course.next(this)
    switch (next.kind) {
      case 'wait':
        if (next.isForService === true) this.#host.waking()
        else this.#host.queued()
        return false
      case 'none':
        this.fail(next.reason, next.error)
        return true
      case 'ready':
        return this.#confirm(next)
      case 'dial':
        this.#startDial(next.address, next.place)
        return true
    }
  }

  /** The client's. */
  get conn(): Conn {
    return this.#conn
  }

  /** Whoever was tried in vain is another one from now on. */
  startOver(): void {
    this.tried = NONE
    this.lastError = null
  }

  /** There is no way. */
  fail(reason: CloseReason, error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#host.failed(reason, error)
  }

  /** The client has left, or is to be ended. The host hears nothing more. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#dial?.cancel()
    this.#greeting?.destroy()
    this.#place?.cancelled()
    this.#place = null
    this.#waiting?.use.unused()
    this.#waiting?.conn.destroy()
    this.#waiting = null
    this.#course.forget(this)
  }

  /** It was alive as far as is known. As `go`. */
  #confirm(ready: Ready): boolean {
    const left = ready.conn.confirm()
    if (!(left instanceof Promise)) return this.#confirmed(ready, left)
    this.#waiting = ready
    void left.then((later) => {
      if (this.#waiting === ready) this.#confirmed(ready, later)
    })
    return true
  }

  #confirmed(ready: Ready, left: UpstreamLeft): boolean {
    const { address, conn, use } = ready
    this.#waiting = null
    // What a server says first is for its first client.
    if (left !== 'clean' && !(left === 'unread' && use.isFresh)) {
      use.unused()
      conn.destroy()
      return this.go()
    }
    this.#isOver = true
    this.#host.reached(address, conn, use)
    return true
  }

  #startDial(address: Address, place: DialPlace | null): void {
    this.#place = place
    this.#host.dialling(address)
    const done: DialDone = (error, conn) => {
      this.#dial = null
      if (conn === null) this.#dialFailed(error)
      else this.#connected(address, conn)
    }
    this.#dial =
      place?.dial?.(this.client, this.#conn.local, done) ??
      this.#engine.dial(address, this.#options, done, this.#conn)
  }

  #dialFailed(error: TidegateError | null): void {
    const failure = error ?? new TidegateError('dial_failed', 'the dial failed', { fault: 'peer' })
    const place = this.#place
    this.#place = null
    this.lastError = failure
    if (place !== null) {
      this.tried = [...this.tried, place.slot]
      place.failed(failure)
    }
    this.go()
  }

  #connected(address: Address, conn: Conn): void {
    const header = this.#place?.header(this.client, this.#conn.local) ?? null
    if (header === null) {
      this.#finish(address, conn)
      return
    }
    this.#greeting = conn
    conn.write(header).then(
      () => {
        this.#greeting = null
        if (!this.#isOver) this.#finish(address, conn)
      },
      (thrown: unknown) => {
        this.#greeting = null
        if (this.#isOver) return
        conn.destroy()
        this.#dialFailed(thrown instanceof TidegateError ? thrown : null)
      },
    )
  }

  #finish(address: Address, conn: Conn): void {
    this.#isOver = true
    const place = this.#place
    this.#place = null
    this.#host.reached(address, conn, place === null ? null : place.connected(conn))
  }
}
