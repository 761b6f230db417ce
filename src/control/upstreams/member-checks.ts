/** The checks of an upstream's members: one for each that there is, none for those that have gone. */

import type { UpstreamConfig } from '../../config/config.js'
import type { Transition } from '../../core/health/transitions.js'
import type { DialOptions, Engine } from '../../ports/engine.js'
import { HealthCheck } from './health-check.js'
import type { Member, UpstreamPlanes } from './settings.js'
import type { UpstreamBoard } from './upstream-board.js'

export interface MemberChecksOptions {
  readonly board: UpstreamBoard
  readonly planes: UpstreamPlanes
  readonly engine: Engine
  readonly now: () => number
  readonly log: (member: Member, turn: Transition) => void
}

interface RunningCheck {
  readonly key: string
  readonly check: HealthCheck
}

export class MemberChecks {
  readonly #options: MemberChecksOptions
  readonly #bySlot = new Map<number, RunningCheck>()

  constructor(options: MemberChecksOptions) {
    this.#options = options
  }

  /** Those that run already go on. */
  keepTo(members: readonly Member[], config: UpstreamConfig, dial: DialOptions): void {
    for (const [slot, { key, check }] of this.#bySlot) {
      if (members.some((member) => member.slot === slot && member.key === key)) continue
      // Whoever comes there next is up until its own checks say otherwise.
      this.#end(slot, check)
    }
    for (const member of members) if (!this.#bySlot.has(member.slot)) this.#begin(member, config, dial)
  }

  /** Nobody is down any more. */
  stop(): void {
    for (const [slot, { check }] of this.#bySlot) this.#end(slot, check)
  }

  #begin(
    member: Member,
    { name, check: config, sendProxyProtocol }: UpstreamConfig,
    dial: DialOptions,
  ): void {
    if (config === null) return
    const { board, planes, engine, now, log } = this.#options
    const { slot, key, address } = member
    const check = new HealthCheck({ engine, address, config, dial, sendProxyProtocol }, (turn) => {
      if (turn.to === 'down') board.noteFailure(slot, 'check_failed', now())
      board.setDown(slot, turn.to === 'down')
      log(member, turn)
      if (turn.to === 'down') planes.cutMember(name, slot, turn.message)
      else planes.serveUpstream(name)
    })
    this.#bySlot.set(slot, { key, check })
    check.start()
  }

  #end(slot: number, check: HealthCheck): void {
    check.close()
    this.#bySlot.delete(slot)
    this.#options.board.setDown(slot, false)
  }
}
