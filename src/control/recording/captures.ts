/** What of each listener's connections a plane records. Rules are compiled once per plane and listener. */

import { isDeepStrictEqual } from 'node:util'
import type { CaptureConfig } from '../../config/config.js'
import { formatSize } from '../../config/units.js'
import type { Address } from '../../core/address.js'
import { type Capture, METADATA_ONLY, Switch } from '../../core/record/capture.js'
import { compileSelection } from '../../core/record/selection.js'
import { compileRedaction } from '../../core/redact/redaction.js'

/** Plain data: it goes from thread to thread. */
export interface ListenerCapture {
  readonly config: CaptureConfig
  /** The memory of its {@link Switch}. */
  readonly recording: SharedArrayBuffer
  /** False: only resource groups get it. */
  readonly isRecorded: boolean
}

interface Plan extends ListenerCapture {
  readonly isSelected: (client: Address) => boolean
  readonly capture: Capture
}

const limitOf = ({ maxBytes }: CaptureConfig): string => {
  if (maxBytes === null) return ''
  return maxBytes === 0 ? METADATA_ONLY : `first ${formatSize(maxBytes).replace(/(?<=\d)(?=[A-Z])/, ' ')}`
}

const planOf = (listener: ListenerCapture): Plan => {
  const { config, recording } = listener
  return {
    ...listener,
    isSelected: compileSelection(config, Math.random),
    capture: {
      maxBytes: config.maxBytes ?? Number.POSITIVE_INFINITY,
      limit: limitOf(config),
      redaction: config.redact.length === 0 ? null : compileRedaction(config.redact),
      recording: new Switch(recording),
    },
  }
}

export class Captures {
  readonly #plans = new Map<string, Plan>()

  /** What is recorded of the listener's connections to come; null: nothing. */
  enter(listener: string, capture: ListenerCapture | null): void {
    const known = this.#plans.get(listener)
    if (capture === null) this.#plans.delete(listener)
    else if (
      !isDeepStrictEqual(known?.config, capture.config) ||
      known?.recording !== capture.recording ||
      known?.isRecorded !== capture.isRecorded
    )
      this.#plans.set(listener, planOf(capture))
  }

  /** The listener's config says what of it is recorded, be that nothing. */
  has(listener: string): boolean {
    return this.#plans.has(listener)
  }

  /** False where only resource groups get what there is. */
  isRecorded(listener: string): boolean {
    return this.#plans.get(listener)?.isRecorded === true
  }

  /** What of a new connection is recorded; null: nothing. */
  select({ listener, client }: { readonly listener: string; readonly client: Address }): Capture | null {
    const plan = this.#plans.get(listener)
    if (plan === undefined || !plan.capture.recording.isOn) return null
    return plan.isSelected(client) ? plan.capture : null
  }
}
