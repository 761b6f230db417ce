/** What the sink suite is made of. */

import type { SinkPlace } from './place.js'
import type { SinkScene } from './scene.js'

/** A case before it is bound to a place. */
export interface SinkCase {
  readonly name: string
  readonly timeoutMs: number
  /** What the place must be able to do for it. */
  readonly needs: 'breakNext' | 'stall' | null
  readonly play: (scene: SinkScene) => Promise<void>
}

/** Generous: a case takes milliseconds to a second, and a busy machine must not fail it. */
const TIMEOUT_MS = 60_000

export const sinkCase = (
  name: string,
  play: (scene: SinkScene) => Promise<void>,
  needs: SinkCase['needs'] = null,
): SinkCase => ({ name, timeoutMs: TIMEOUT_MS, needs, play })

export type CreatePlace = () => SinkPlace | Promise<SinkPlace>
