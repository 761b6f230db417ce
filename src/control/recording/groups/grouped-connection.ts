/**
 * One connection on its way to its resource: gets it when the connection opens, hands over frames in order, and calls the close hook
 * when the last of them has been taken.
 *
 *     getting ──▶ open ──▶ over        frames that come while the resource is being got wait
 *        └─────▶ failed               there is none: what comes is counted and let go
 */

import { type Address, parseAddress } from '../../../core/address.js'
import { FRAME_TYPE } from '../../../core/codec/gogetway/frame.js'
import type { PerDirection } from '../../../core/direction.js'
import type { OpenAnnotation } from '../../../core/record/annotation.js'
import type { Backlog, Contributor } from '../../../core/resource/backlog.js'
import { contextsOf } from '../../../core/resource/framing.js'
import { isThenable, type WriteContext } from '../../../core/resource/write-function.js'
import { TidegateError } from '../../../errors.js'
import type { GotResource } from '../../../ports/resource-group.js'
import type { Frame } from './frame.js'
import type { Outlet } from './outlet.js'
import type { Stamp } from './stamp.js'
import type { UsedGroup } from './used-group.js'

/** What all connections of a store share. */
export interface Handover {
  /** UUID of this run of the gateway. */
  readonly recording: string
  /** Of being slow, for people. */
  readonly consequence: string
  /** @throws TidegateError `value_invalid` */
  outletOf(got: GotResource): Outlet
  /** Of what waits for a resource that is still being got. */
  newBacklog(): Backlog
  /** The frame as its resource takes it. One of the next two has to be called then. */
  framed(outlet: Outlet, frame: Frame): Framed
  taken(frame: Framed): void
  refused(frame: Framed): void
  /** What its data was never handed over: so much of what the connection said. */
  lost(payloadBytes: number): void
  /** So much more, or less, of what connections said waits. */
  waits(payloadBytes: number): void
  failed(): void
  press(connection: GroupedConnection, isSlow: boolean): void
  /** It is over, and none of its frames waits. */
  done(connection: GroupedConnection): void
  /** Its close hook is done, too. */
  ended(connection: GroupedConnection): void
}

export interface Framed {
  readonly bytes: Uint8Array
  /** The sink that begins with this frame; null: it has begun. */
  readonly begins: object | null
}

/** What a frame, or a resource that is being got, takes beside its bytes: objects, promises, a place in a queue. */
export const OVERHEAD_BYTES = 512

const UNIX = 'unix:'

const addressOf = (text: string): Address =>
  text.startsWith(UNIX) ? { kind: 'unix', path: text.slice(UNIX.length) } : parseAddress(text)

const tooMany = (): TidegateError =>
  new TidegateError('queue_full', 'too many resources are being got, or wait for their functions', {
    fault: 'hook',
  })

type State =
  | { readonly kind: 'getting'; readonly backlog: Backlog; readonly waiting: Frame[] }
  | { readonly kind: 'open'; readonly got: GotResource; readonly outlet: Outlet }
  | { readonly kind: 'failed' }

export class GroupedConnection implements Contributor {
  readonly stamp: Stamp
  readonly used: UsedGroup
  readonly contexts: PerDirection<WriteContext>
  readonly #handover: Handover
  readonly #open: OpenAnnotation
  #state: State
  /** Of those that wait, the one that is being taken included. */
  readonly #frames = new Set<Frame>()
  #isPressed = false
  #isOver = false
  #hasEnded = false

  constructor(handover: Handover, used: UsedGroup, stamp: Stamp, open: OpenAnnotation) {
    this.stamp = stamp
    this.used = used
    this.contexts = contextsOf(open.client, open.server)
    this.#handover = handover
    this.#open = open
    this.#state = { kind: 'getting', backlog: handover.newBacklog(), waiting: [] }
  }

  /** The gateway's own number. */
  get id(): number {
    return this.#open.id
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
      if (isThenable(got)) this.#await(got)
      else this.#got(got)
    } catch (thrown) {
      this.#notGot(thrown)
    }
  }

  /** Makes room for a frame that takes so much, which has to be pushed then. False: there is none. */
  admits(costBytes: number): boolean {
    const state = this.#state
    if (state.kind === 'failed') return false
    return (state.kind === 'open' ? state.outlet.backlog : state.backlog).add(costBytes)
  }

  push(frame: Frame): void {
    this.#frames.add(frame)
    this.#handover.waits(frame.payloadBytes)
    const state = this.#state
    if (state.kind === 'open') {
      this.#handOver(state.outlet, frame)
      state.outlet.backlog.check()
    } else if (state.kind === 'getting') {
      state.waiting.push(frame)
      state.backlog.check()
    }
  }

  /** No frame follows. */
  close(): void {
    this.press(false)
    this.#isOver = true
    this.#endIfDone()
  }

  /** What is not taken by now is lost, and the connection is over. */
  abandon(): void {
    this.press(false)
    this.#isOver = true
    const state = this.#state
    const backlog =
      state.kind === 'open' ? state.outlet.backlog : state.kind === 'getting' ? state.backlog : null
    if (state.kind === 'getting') this.#state = { kind: 'failed' }
    for (const { payloadBytes, costBytes } of this.#frames) {
      backlog?.remove(costBytes)
      this.#handover.waits(-payloadBytes)
      this.#handover.lost(payloadBytes)
    }
    this.#frames.clear()
    this.#endIfDone()
  }

  press(isSlow: boolean): void {
    if (this.#isPressed === isSlow || this.#isOver) return
    this.#isPressed = isSlow
    if (isSlow) this.used.pressed(this.stamp.listener, this.#handover.consequence)
    else this.used.eased()
    this.#handover.press(this, isSlow)
  }

  /** Meanwhile the promise counts as something that waits: a group that never finds a resource must not fill the memory. */
  #await(got: PromiseLike<GotResource>): void {
    const state = this.#state
    if (state.kind !== 'getting') return
    const { backlog } = state
    const hasRoom = backlog.add(OVERHEAD_BYTES)
    const settled = (): void => {
      if (hasRoom) backlog.remove(OVERHEAD_BYTES)
    }
    backlog.join(this)
    if (!hasRoom) this.#notGot(tooMany())
    got.then(
      (later) => {
        settled()
        this.#got(later)
      },
      (thrown: unknown) => {
        settled()
        this.#notGot(thrown)
      },
    )
  }

  #got(got: GotResource): void {
    const state = this.#state
    // It was given up meanwhile; whoever counts its connections needs to know all the same.
    if (state.kind !== 'getting') return void this.#callHook(got)
    let outlet: Outlet
    try {
      outlet = this.#handover.outletOf(got)
    } catch (thrown) {
      return this.#notGot(thrown)
    }
    this.#state = { kind: 'open', got, outlet }
    state.backlog.leave(this)
    if (!this.#isOver) outlet.backlog.join(this)
    for (const frame of state.waiting) {
      state.backlog.moveTo(outlet.backlog, frame.costBytes)
      this.#handOver(outlet, frame)
    }
    outlet.backlog.check()
    if (!outlet.backlog.isPressing) this.press(false)
    this.#endIfDone()
  }

  #notGot(thrown: unknown): void {
    const state = this.#state
    if (state.kind !== 'getting') return
    this.#state = { kind: 'failed' }
    this.#failed(thrown, 'getResource')
    for (const frame of state.waiting) {
      state.backlog.remove(frame.costBytes)
      this.#lose(frame)
    }
    this.press(false)
    this.#endIfDone()
  }

  #handOver(outlet: Outlet, frame: Frame): void {
    outlet
      .add(frame, () => this.#write(outlet, frame))
      .catch((refused: unknown) => {
        if (!this.#frames.has(frame)) return
        this.#failed(refused, 'the write queue')
        outlet.backlog.remove(frame.costBytes)
        this.#lose(frame)
      })
  }

  /** It is this frame's turn. What goes wrong is the queue's to report, too. */
  #write(outlet: Outlet, frame: Frame): PromiseLike<unknown> | undefined {
    if (!this.#frames.has(frame)) return undefined
    let framed: Framed | null = null
    try {
      const sent = this.#handover.framed(outlet, frame)
      framed = sent
      const taken = outlet.write(sent.bytes, frame.context)
      if (taken !== null)
        return taken.then(
          () => this.#taken(outlet, frame, sent),
          (thrown: unknown) => this.#threw(outlet, frame, sent, thrown),
        )
      this.#taken(outlet, frame, sent)
      return undefined
    } catch (thrown) {
      return this.#threw(outlet, frame, framed, thrown)
    }
  }

  #taken(outlet: Outlet, frame: Frame, framed: Framed): void {
    this.#handover.taken(framed)
    this.used.worked()
    this.#end(outlet, frame)
  }

  #threw(outlet: Outlet, frame: Frame, framed: Framed | null, thrown: unknown): never {
    if (framed !== null) this.#handover.refused(framed)
    this.#failed(thrown, 'a write')
    this.#end(outlet, frame)
    throw thrown
  }

  #failed(thrown: unknown, what: string): void {
    this.#handover.failed()
    this.used.failed(thrown, what, this.stamp.listener)
  }

  #end({ backlog }: Outlet, frame: Frame): void {
    // Else it was given up on the way.
    if (this.#frames.delete(frame)) {
      backlog.remove(frame.costBytes)
      this.#handover.waits(-frame.payloadBytes)
    }
    this.#endIfDone()
  }

  #lose(frame: Frame): void {
    if (!this.#frames.delete(frame)) return
    this.#handover.waits(-frame.payloadBytes)
    this.#handover.lost(frame.payloadBytes)
    this.#endIfDone()
  }

  #endIfDone(): void {
    const state = this.#state
    if (!this.#isOver || this.#frames.size > 0 || this.#hasEnded || state.kind === 'getting') return
    this.#hasEnded = true
    if (state.kind === 'open') state.outlet.backlog.leave(this)
    this.#handover.done(this)
    void this.#callHook(state.kind === 'open' ? state.got : null).finally(() => this.#handover.ended(this))
  }

  async #callHook(got: GotResource | null): Promise<void> {
    try {
      await got?.onClose?.(got.resource)
    } catch (thrown) {
      this.#failed(thrown, 'onClose')
    }
  }
}
