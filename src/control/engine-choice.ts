/** Which engine moves the bytes here, and why that one. */

import type { EngineName } from '../config/config.js'
import { createLinuxEngine } from '../engine/linux/engine.js'
import { createPortableEngine } from '../engine/portable/engine.js'
import { messageOf } from '../errors.js'
import type { Engine } from '../ports/engine.js'

export interface EngineChoice {
  readonly engine: Engine
  /** For the log. */
  readonly reason: string
}

/** @throws TidegateError `engine_unavailable` when just the linux engine is wanted and cannot run here. */
export const chooseEngine = (wanted: EngineName): EngineChoice => {
  if (wanted === 'portable') return { engine: createPortableEngine(), reason: 'as configured' }
  if (wanted === 'linux') return { engine: createLinuxEngine(), reason: 'as configured' }
  try {
    return { engine: createLinuxEngine(), reason: 'it runs here' }
  } catch (thrown) {
    return { engine: createPortableEngine(), reason: messageOf(thrown) }
  }
}
