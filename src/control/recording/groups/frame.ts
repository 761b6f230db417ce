/** What waits for a resource: a copy, since the slab that it came in is given back at once. */

import type { WriteContext } from '../../../core/resource/write-function.js'

export interface Frame {
  /** A frame of gogetway's, or a packet's block without the section's start. */
  readonly data: Uint8Array
  /** How much of it is what the connection said. */
  readonly payloadBytes: number
  /** What it takes of the room there is. */
  readonly costBytes: number
  readonly context: WriteContext
}
