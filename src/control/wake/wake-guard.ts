/**
 * Whom a service is started for: by where a client comes from, and perhaps by the first bytes that it sends.
 */

import type { Address } from '../../core/address.js'
import { compileAccessRules } from '../../core/route/cidr.js'
import { TidegateError } from '../../errors.js'
import type { Next, Reach } from '../upstreams/reach.js'
import { readFirstBytes } from './first-bytes.js'
import type { WakeSettings } from './settings.js'

export type GuardSettings = Pick<WakeSettings, 'on' | 'match' | 'from' | 'dataTimeoutMs'>

/** There is nobody to connect to yet. */
export const WAIT: Next = { kind: 'wait', isForService: true }

const refused = (message: string): TidegateError =>
  new TidegateError('wake_failed', `the service is not running, and ${message}`, { fault: 'peer' })

export class WakeGuard {
  #settings: GuardSettings
  #isAllowed: (client: Address) => boolean
  /** Those whose first bytes are waited for. */
  readonly #held = new Set<Reach>()

  constructor(settings: GuardSettings) {
    this.#settings = settings
    this.#isAllowed = compileAccessRules({ allow: settings.from, deny: [] })
  }

  update(settings: GuardSettings): void {
    this.#settings = settings
    this.#isAllowed = compileAccessRules({ allow: settings.from, deny: [] })
  }

  holds(reach: Reach): boolean {
    return this.#held.has(reach)
  }

  forget(reach: Reach): void {
    this.#held.delete(reach)
  }

  /**
   * Null: it may wake the service. Else what is to be answered; where that is to wait, `judged` is told later, unless it is
   * forgotten before: null, or why it may not. `isServedAnyway`: the service runs, so that nobody has to wake it.
   */
  look(
    reach: Reach,
    judged: (refusal: TidegateError | null) => void,
    isServedAnyway: () => boolean = () => false,
  ): Next | null {
    if (!this.#isAllowed(reach.client))
      return { kind: 'none', reason: 'denied', error: refused('this client may not wake it') }
    if (this.#settings.on === 'connect') return null
    this.#held.add(reach)
    void this.#judge(reach, judged, isServedAnyway)
    return WAIT
  }

  async #judge(
    reach: Reach,
    judged: (refusal: TidegateError | null) => void,
    isServedAnyway: () => boolean,
  ): Promise<void> {
    const found = await readFirstBytes(reach.conn, this.#settings, isServedAnyway)
    // Its session has ended, and with it its way here.
    if (!this.#held.delete(reach) || found === 'gone') return
    if (found === 'yes') return judged(null)
    judged(
      refused(
        found === 'no' ? 'its first bytes do not wake it' : 'the client has sent nothing that wakes it',
      ),
    )
  }
}
