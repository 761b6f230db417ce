/** A resource group in use: who uses it, what has failed, and when it is closed. */

import { Episode } from '../../../core/record/episode.js'
import { messageOf } from '../../../errors.js'
import type { Logger } from '../../../ports/logger.js'
import type { ResourceGroup } from '../../../ports/resource-group.js'
import type { Arrivals } from './arrivals.js'

export class UsedGroup {
  readonly number: number
  readonly group: ResourceGroup
  readonly #logger: Logger
  readonly #trouble = new Episode()
  #failures = 0
  readonly #overload = new Episode()
  /** Connections whose resources have come to their share of what may wait. */
  #pressed = 0
  /** Connections that have it, until their close hooks are done. */
  #connections = 0
  /** How many connections each seat had opened when nobody opened any more with this group. Null: somebody may. */
  #awaited: Map<number, number> | null = null
  #closing: Promise<void> | null = null

  constructor(number: number, group: ResourceGroup, logger: Logger) {
    this.number = number
    this.group = group
    this.#logger = logger
  }

  get connections(): number {
    return this.#connections
  }

  get isClosed(): boolean {
    return this.#closing !== null
  }

  begin(): void {
    this.#connections++
  }

  end(): void {
    this.#connections--
  }

  /** New connections have it (again). */
  adopt(): void {
    this.#awaited = null
  }

  /** No connection opens with it any more; those that did are among the first so many of each seat. */
  retire(opened: ReadonlyMap<number, number>): void {
    this.#awaited = new Map(opened)
  }

  seatLeft(owner: number): void {
    this.#awaited?.delete(owner)
  }

  /** It was replaced, and the last of its connections is over. */
  isDone(arrivals: Arrivals): boolean {
    if (this.#awaited === null || this.#connections > 0) return false
    for (const [owner, count] of this.#awaited) if (!arrivals.has(owner, count)) return false
    return true
  }

  /** Something that the group or its resource was to do has failed. Said once per episode. */
  failed(thrown: unknown, what: string, listener: string): void {
    this.#failures++
    if (!this.#trouble.comes(Date.now(), this.#failures - 1)) return
    const why = messageOf(thrown)
    this.#logger.warn({ listener, why }, `${what} of a resource group failed: ${why}`)
  }

  /** A resource of one of its connections is slower than what that says. Said once per episode. */
  pressed(listener: string, consequence: string): void {
    this.#pressed++
    if (!this.#overload.comes(Date.now(), 0)) return
    this.#logger.warn(
      { listener },
      `a resource of '${listener}' is slower than the traffic of its connections: ${consequence}`,
    )
  }

  /** That connection's resource keeps up again, or the connection is over. */
  eased(): void {
    this.#pressed--
  }

  /** Something has gone well. */
  worked(): void {
    if (this.#overload.isOn && this.#pressed === 0 && this.#overload.goes(Date.now(), 0) !== null)
      this.#logger.info({}, 'all resources of the group keep up again')
    if (!this.#trouble.isOn) return
    const failures = this.#trouble.goes(Date.now(), this.#failures)
    if (failures !== null)
      this.#logger.info({ failures }, `the resource group works again; ${failures} calls had failed`)
  }

  /** Flushes it. Never rejects; the second time it is the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.group.close?.()
    } catch (thrown) {
      const why = messageOf(thrown)
      this.#logger.error({ why }, `a resource group could not be closed: ${why}`)
    }
  }
}
