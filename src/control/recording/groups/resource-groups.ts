/**
 * Which resource group the connections of each listener have, now and, for those that opened earlier, then. A group that was replaced
 * is closed after the last connection that has it.
 */

import { TidegateError } from '../../../errors.js'
import type { Logger } from '../../../ports/logger.js'
import type { ResourceGroup } from '../../../ports/resource-group.js'
import { within } from '../within.js'
import { Arrivals } from './arrivals.js'
import type { Stamp } from './stamp.js'
import { UsedGroup } from './used-group.js'

export class ResourceGroups {
  readonly #logger: Logger
  /** By number: each that may still have connections. */
  readonly #used = new Map<number, UsedGroup>()
  readonly #closed = new WeakSet<ResourceGroup>()
  /** Closings under way. */
  readonly #closings = new Set<Promise<void>>()
  readonly #byListener = new Map<string, UsedGroup | null>()
  #default: UsedGroup | null = null
  #last = 0
  /** The last of them is being closed. */
  #onEmpty: (() => void) | null = null
  readonly #arrivals = new Arrivals()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** In use, those included that only have connections left. */
  get count(): number {
    return this.#used.size
  }

  /** Connections that have a resource. */
  get connections(): number {
    let connections = 0
    for (const used of this.#used.values()) connections += used.connections
    return connections
  }

  /** Of the group that new connections of the listener get; null: none. */
  numberOf(listener: string): number | null {
    const own = this.#byListener.get(listener)
    return (own === undefined ? this.#default : own)?.number ?? null
  }

  /**
   * New connections of the listener, or without one of all listeners, get this group from now on.
   * @throws TidegateError `misuse`: it has been closed.
   */
  set(group: ResourceGroup | null, listener?: string): void {
    const used = group === null ? null : this.#use(group)
    if (listener !== undefined) this.#byListener.set(listener, used)
    else {
      this.#byListener.clear()
      this.#default = used
    }
  }

  /**
   * All planes have heard of the last `set`.
   * @param opened how many connections each seat has opened by now
   */
  settle(opened: ReadonlyMap<number, number>): void {
    const current = new Set([this.#default, ...this.#byListener.values()])
    for (const used of this.#used.values()) {
      if (current.has(used)) used.adopt()
      else used.retire(opened)
    }
    this.#closeDone()
  }

  /** A connection has arrived. Null: its group is closed already. */
  opened({ group, owner, serial }: Stamp): UsedGroup | null {
    const used = this.#used.get(group) ?? null
    used?.begin()
    this.#arrivals.add(owner, serial)
    this.#closeDone()
    return used
  }

  /** It is over, its hook done. */
  ended(used: UsedGroup): void {
    used.end()
    this.#closeDone()
  }

  /** Nothing comes of this seat any more. */
  seatLeft(owner: number): void {
    this.#arrivals.forget(owner)
    for (const used of this.#used.values()) used.seatLeft(owner)
    this.#closeDone()
  }

  /**
   * Closes each when its connections are over, their hooks done, and after `timeoutMs` also those that still have some. No connection
   * opens any more.
   */
  async closeAll(timeoutMs: number): Promise<void> {
    for (const used of this.#used.values()) used.retire(new Map())
    const allDone = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    this.#closeDone()
    if (this.#used.size > 0 && !(await within(allDone, timeoutMs)))
      for (const used of this.#used.values()) this.#close(used)
    await Promise.all(this.#closings)
  }

  #use(group: ResourceGroup): UsedGroup {
    if (this.#closed.has(group))
      throw new TidegateError('misuse', 'the resource group has been closed: make another', { fault: 'hook' })
    for (const used of this.#used.values()) {
      if (used.group !== group) continue
      // At once: it must not be closed on the way to the planes.
      used.adopt()
      return used
    }
    const used = new UsedGroup(++this.#last, group, this.#logger)
    this.#used.set(used.number, used)
    return used
  }

  #closeDone(): void {
    for (const used of this.#used.values()) if (used.isDone(this.#arrivals)) this.#close(used)
  }

  #close(used: UsedGroup): void {
    this.#used.delete(used.number)
    this.#closed.add(used.group)
    const closing = used.close().finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
    if (this.#used.size === 0) this.#onEmpty?.()
  }
}
