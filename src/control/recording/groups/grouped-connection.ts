/**
 * One connection on its way to its resource: gets it when the connection opens, hands over frames in order, and calls the close hook
 * when the last of them has been taken.
 *
 *     getting ──▶ open ──▶ over        frames that come while the resource is being got wait
 *        └─────▶ failed               there is none: what comes is counted and let go
 */

import { type Address, parseAddress } from '../../../core/address.js'
import { FRAME_TYPE } from '../../../core/codec/gogetway/frame.js'
import type { Direction, PerDirection } from '../../../core/direction.js'
import type { OpenAnnotation } from '../../../core/record/annotation.js'
import { contextsOf } from '../../../core/resource/framing.js'
import { isThenable, type WriteContext } from '../../../core/resource/write-function.js'
import type { GotResource } from '../../../ports/resource-group.js'
import type { Batch } from './batch.js'
import type { Outlet } from './outlet.js'
import type { Stamp } from './stamp.js'
import type { UsedGroup } from './used-group.js'

/** What all connections of a store share. */
export interface Handover {
  /** UUID of this run of the gateway. */
  readonly recording: string
  /** Nothing is handed over any more. */
  readonly isClosed: boolean
  /** @throws TidegateError `value_invalid` */
  outletOf(got: GotResource): Outlet
  /** The frame as its resource takes it. One of the next two has to be called then. */
  framed(outlet: Outlet, frame: Frame, context: WriteContext, listener: string): Framed
  taken(frame: Framed): void
  refused(frame: Framed): void
  failed(): void
  /** The connection's close hook is done. */
  ended(connection: GroupedConnection): void
}

/** Not framed yet: views of a slab, valid until the batch has ended. */
export interface Frame {
  readonly data: Uint8Array
  readonly timeNs: bigint
  readonly direction: Direction
  readonly batch: Batch
}

export interface Framed {
  readonly bytes: Uint8Array
  /** The sink that begins with this frame; null: it has begun. */
  readonly begins: object | null
}

const UNIX = 'unix:'

const addressOf = (text: string): Address =>
  text.startsWith(UNIX) ? { kind: 'unix', path: text.slice(UNIX.length) } : parseAddress(text)

type State =
  | { readonly kind: 'getting'; readonly waiting: Frame[] }
  | { readonly kind: 'open'; readonly got: GotResource; readonly outlet: Outlet }
  | { readonly kind: 'failed' }

export class GroupedConnection {
  readonly stamp: Stamp
  readonly used: UsedGroup
  readonly #handover: Handover
  readonly #open: OpenAnnotation
  readonly #contexts: PerDirection<WriteContext>
  #state: State = { kind: 'getting', waiting: [] }
  /** Frames that are not taken yet. */
  #pending = 0
  #isOver = false
  #hasEnded = false

  constructor(handover: Handover, used: UsedGroup, stamp: Stamp, open: OpenAnnotation) {
    this.stamp = stamp
    this.used = used
    this.#handover = handover
    this.#open = open
    this.#contexts = contextsOf(open.client, open.server)
  }

  /** Asks its group for the resource. */
  start(): void {
    const { listener } = this.stamp
    const { id, client, server } = this.#open
    try {
      const got = this.used.group.getResource(
        { listener, listenType: FRAME_TYPE.tcp, recording: this.#handover.recording },
        { id, listener, client: addressOf(client), server: addressOf(server) },
      )
      if (!isThenable(got)) return this.#got(got)
      got.then(
        (later) => this.#got(later),
        (thrown: unknown) => this.#notGot(thrown),
      )
    } catch (thrown) {
      this.#notGot(thrown)
    }
  }

  push(frame: Frame): void {
    this.#pending++
    frame.batch.begin()
    if (this.#state.kind === 'getting') this.#state.waiting.push(frame)
    else this.#handOver(frame)
  }

  /** No frame follows. */
  close(): void {
    this.#isOver = true
    this.#endIfDone()
  }

  #got(got: GotResource): void {
    const state = this.#state
    try {
      this.#state = { kind: 'open', got, outlet: this.#handover.outletOf(got) }
    } catch (thrown) {
      return this.#notGot(thrown)
    }
    if (state.kind === 'getting') for (const frame of state.waiting) this.#handOver(frame)
    this.#endIfDone()
  }

  #notGot(thrown: unknown): void {
    const state = this.#state
    this.#state = { kind: 'failed' }
    this.#failed(thrown, 'getResource')
    if (state.kind === 'getting') for (const frame of state.waiting) this.#handOver(frame)
    this.#endIfDone()
  }

  #handOver(frame: Frame): void {
    if (this.#state.kind !== 'open') return this.#end(frame)
    const { outlet } = this.#state
    const context = this.#contexts[frame.direction]
    outlet
      .add(frame.data, context, () => this.#write(outlet, frame, context))
      .catch((refused: unknown) => {
        this.#failed(refused, 'the write queue')
        this.#end(frame)
      })
  }

  /** It is this frame's turn. What goes wrong is the queue's to report, too. */
  #write(outlet: Outlet, frame: Frame, context: WriteContext): PromiseLike<unknown> | undefined {
    if (this.#handover.isClosed) {
      this.#end(frame)
      return undefined
    }
    let framed: Framed | null = null
    try {
      const sent = this.#handover.framed(outlet, frame, context, this.stamp.listener)
      framed = sent
      const taken = outlet.write(sent.bytes, context)
      if (taken !== null)
        return taken.then(
          () => this.#taken(frame, sent),
          (thrown: unknown) => this.#threw(frame, sent, thrown),
        )
      this.#taken(frame, sent)
      return undefined
    } catch (thrown) {
      return this.#threw(frame, framed, thrown)
    }
  }

  #taken(frame: Frame, framed: Framed): void {
    this.#handover.taken(framed)
    this.used.worked()
    this.#end(frame)
  }

  #threw(frame: Frame, framed: Framed | null, thrown: unknown): never {
    if (framed !== null) this.#handover.refused(framed)
    this.#failed(thrown, 'a write')
    this.#end(frame)
    throw thrown
  }

  #failed(thrown: unknown, what: string): void {
    this.#handover.failed()
    this.used.failed(thrown, what, this.stamp.listener)
  }

  #end({ batch }: Frame): void {
    this.#pending--
    batch.end()
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (!this.#isOver || this.#pending > 0 || this.#hasEnded || this.#state.kind === 'getting') return
    this.#hasEnded = true
    const got = this.#state.kind === 'open' ? this.#state.got : null
    void this.#callHook(got).finally(() => this.#handover.ended(this))
  }

  async #callHook(got: GotResource | null): Promise<void> {
    try {
      await got?.onClose?.(got.resource)
    } catch (thrown) {
      this.#failed(thrown, 'onClose')
    }
  }
}
