/** What the soak of a pool adds up, and what that has to look like. */

import { appendFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { MemberCounts } from '../../src/control/upstreams/upstream-board.js'
import type { LeftAt, TaggedOutcome, TaggedPlan } from '../support/tagged.js'

/** Of all connections that clients had. The others were left in a state that no proof can pass, by a reset first of all. */
const LEAST_REUSED = 0.6
/** Of so few clients, luck decides more. */
const FEW_CLIENTS = 5000
const LEAST_REUSED_OF_FEW = 0.5

/** Of all clients, in each of the three moments. */
const LEAST_LEFT_AT = 0.08

type Moment = Exclude<LeftAt, null>

/** Connections of one gateway's pool. */
export class PoolTally {
  readonly name: string
  clients = 0
  whole = 0
  foreignBytes = 0
  readonly leftAt: Record<Moment, number> = { before: 0, during: 0, after: 0 }
  /** What should not have been; the first are enough. */
  readonly wrong: [TaggedPlan, TaggedOutcome][] = []
  /** The gateway's. */
  reused = 0
  dialled = 0
  unclean = 0
  failed = 0
  /** The service's. */
  resets = 0
  readonly #startedAt = performance.now()

  constructor(name: string) {
    this.name = name
  }

  judge(plan: TaggedPlan, outcome: TaggedOutcome): void {
    this.clients++
    if (outcome.leftAt !== null) this.leftAt[outcome.leftAt]++
    if (outcome.isWhole) this.whole++
    if (!outcome.isOwn) this.foreignBytes += outcome.received.length
    if ((!outcome.isOwn || (plan.moment === 'after' && !outcome.isWhole)) && this.wrong.length < 5)
      this.wrong.push([plan, outcome])
  }

  take({ reused, connected, unclean, failed }: MemberCounts, resets: number): void {
    this.reused = reused
    this.dialled = connected
    this.unclean = unclean
    this.failed = failed
    this.resets = resets
  }

  get perSecond(): number {
    return Math.round((1000 * this.reused) / (performance.now() - this.#startedAt))
  }

  /** `isProvenByReset`: whoever got a connection of another's got one that the service had been asked to reset. */
  expectSound(isProvenByReset: boolean): void {
    const { name, clients, leftAt, reused, dialled, resets } = this
    expect(this.foreignBytes, `foreign bytes through ${name}`).toBe(0)
    expect(this.failed, `failed dials of ${name}`).toBe(0)
    const leastReused = clients < FEW_CLIENTS ? LEAST_REUSED_OF_FEW : LEAST_REUSED
    expect(reused / (reused + dialled), `share of reused connections of ${name}`).toBeGreaterThan(leastReused)
    for (const [moment, count] of Object.entries(leftAt))
      expect(count / clients, `share that left ${moment} the reply`).toBeGreaterThan(LEAST_LEFT_AT)
    if (isProvenByReset) expect(resets).toBeGreaterThanOrEqual(reused)
    else expect(resets).toBe(0)
  }

  /** For the table at the end, which the script that ran all of it prints. */
  write(service: string, grownBytes: number): void {
    const { name, clients, leftAt, whole, reused, dialled, resets, unclean, foreignBytes, perSecond } = this
    const share = `${Math.round((100 * reused) / (reused + dialled))} %`
    const grown = `${Math.round(grownBytes / 1e6)} MB`
    const row = { service, gateway: name, clients, ...leftAt, whole, reused, share, dialled, resets, unclean }
    const all = { ...row, 'foreign bytes': foreignBytes, grown, 'reused/s': perSecond }
    const file = process.env.SOAK_TABLE
    if (file) appendFileSync(file, `${JSON.stringify(all)}\n`)
    process.stdout.write(
      `${Object.entries(all)
        .map(([what, figure]) => `${what} ${figure}`)
        .join(', ')}\n`,
    )
  }
}
