/** Looks whether a service that is open is idle, and shuts its gate when it is (core/wake/idle.ts has the rule). */

import { formatDuration } from '../../config/units.js'
import { type IdleVerdict, lookAtIdle } from '../../core/wake/idle.js'
import type { Logger } from '../../ports/logger.js'
import type { UpstreamPlanes } from '../upstreams/settings.js'
import type { ServiceGate } from './service-gate.js'
import type { WokenUpstream } from './settings.js'

/** Who is not wanted any more is stopped as soon as nobody uses it. */
const RETIRED_LOOK_MS = 200

export interface IdleWatchOptions {
  readonly gate: ServiceGate
  readonly planes: Pick<UpstreamPlanes, 'serviceTurned'>
  readonly logger: Logger
  readonly now: () => number
  /** Clients that wait for it: they are about to use it. */
  readonly waiting: () => number
}

export class IdleWatch {
  readonly #options: IdleWatchOptions
  /** The gate is shut, and whoever was in is on the way out. */
  readonly #onIdle: () => void
  #config: WokenUpstream
  #openSince = 0
  #isOpen = false
  #isRetired = false
  #timer: NodeJS.Timeout | null = null

  constructor(config: WokenUpstream, options: IdleWatchOptions, onIdle: () => void) {
    this.#config = config
    this.#options = options
    this.#onIdle = onIdle
  }

  become(config: WokenUpstream): void {
    this.#config = config
    this.#isRetired = false
    if (this.#isOpen) this.#arm()
  }

  /** Whatever the rule, it is idle once nobody uses it. */
  retire(): void {
    this.#isRetired = true
    if (this.#isOpen) this.#arm()
  }

  opened(since: number): void {
    this.#openSince = since
    this.#isOpen = true
    this.#arm()
  }

  shut(): void {
    this.#isOpen = false
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const verdict = this.#verdict()
    if (verdict.stop) return this.#stop()
    if (verdict.againInMs !== null) this.#timer = setTimeout(() => this.#look(), verdict.againInMs)
  }

  #verdict(): IdleVerdict {
    const { gate, now, waiting } = this.#options
    const { lastLeftAt, lastByteAt } = gate
    const users = gate.users + waiting()
    if (this.#isRetired) return users === 0 ? { stop: true } : { stop: false, againInMs: RETIRED_LOOK_MS }
    return lookAtIdle(
      { now: now(), openSince: this.#openSince, users, lastLeftAt, lastByteAt },
      this.#config.wake,
    )
  }

  #look(): void {
    const { planes, gate } = this.#options
    const { name, wake } = this.#config
    // What they note is looked at the next time.
    if (wake.idleBy === 'bytes' && gate.users > 0) planes.serviceTurned(name, { to: 'watched' })
    this.#arm()
  }

  #stop(): void {
    const { gate, planes, logger } = this.#options
    const { name, wake } = this.#config
    const isByBytes = wake.idleBy === 'bytes' && gate.users > 0
    if (isByBytes) gate.shut()
    // Somebody has come in between.
    else if (!gate.shutIfUnused()) return this.#arm()
    const why = isByBytes ? `nothing has moved for ${formatDuration(wake.idleMs)}` : 'nobody uses it'
    const message = `the service of '${name}' is stopped: ${why}`
    logger.info({ upstream: name }, message)
    planes.serviceTurned(name, { to: 'idle', message })
    this.#onIdle()
  }
}
