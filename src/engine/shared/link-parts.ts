/** What the life of a link needs of an engine's conns, pumps and clock, and what pumps tell their link. */

import type { Direction } from '../../core/direction.js'
import type { UpstreamLeft } from '../../ports/engine.js'
import type { Life } from './life.js'

export interface LinkConn {
  readonly isOpen: boolean
  readonly life: Life
  left(): UpstreamLeft
  destroy(): void
  reset(): void
}

export type PumpPhase =
  /** Not started: the link was made in this very turn. */
  | 'new'
  | 'flowing'
  /** The source has ended; the FIN is on its way or there. */
  | 'ended'
  /** Takes nothing any more, but finishes what it has taken. */
  | 'settling'
  | 'over'

export interface LinkPump {
  readonly direction: Direction
  readonly phase: PumpPhase
  /** Bytes passed on so far. */
  readonly passed: number
  /** It has passed nothing on, nor shown it to anybody, and its source has not ended. */
  readonly isUntouched: boolean
  /** What was taken has not all been written. */
  readonly hasPending: boolean
  /** There is something to take that was not taken. */
  readonly hasWaiting: boolean
  start(): void
  hold(): void
  release(): void
  forwardEnd(): void
}

export interface LinkTimeouts {
  moved(): void
  halfClosed(): void
  hold(): void
  release(): void
  stop(): void
}

/** What a pump tells its link. */
export interface LinkHost<P> {
  /** Bytes moved: the idle time starts anew. `taker`: they were taken from its source just now. */
  moved(taker: P | null): void
  /** The source's FIN was seen and everything before it observed, but it is not forwarded yet. */
  sourceEnded(pump: P): void
  /** Everything, FIN included, is the destination's kernel's. */
  finished(pump: P): void
  /** The source is the upstream and lost, and the link is over without the client. */
  spares(pump: P): boolean
  /** Asked before the first bytes are taken; false: not yet, and the pump asks again or is told. */
  mayTake(pump: P): boolean
  hookFailed(error: Error): void
  /** What was taken from the source has been written, or cannot be; only after a pump's `settle`. */
  settled(): void
}
