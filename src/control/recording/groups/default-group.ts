/**
 * The default group: one resource for each client address (its IP, or the path of its unix socket), shared by that client's connections,
 * counted, and let go of by `checkLocks` when none of them is left.
 */

import { type Address, formatAddress } from '../../../core/address.js'
import type { Lock } from '../../../core/resource/lock.js'
import { LockGroup } from '../../../core/resource/lock-group.js'
import { isThenable, type WriteFunction } from '../../../core/resource/write-function.js'
import { WriteQueue } from '../../../core/resource/write-queue.js'
import { messageOf, TidegateError } from '../../../errors.js'
import type {
  ConnectResource,
  GotResource,
  ResourceConnection,
  ResourceContext,
  ResourceGroup,
  ResourceStream,
  ResourceWriter,
} from '../../../ports/resource-group.js'

/** As gogetway has it. */
const DEFAULT_CHECK_INTERVAL_MS = 10 * 60 * 1000

/** setTimeout's own limit. */
const MAX_INTERVAL_MS = 2 ** 31 - 1

export interface DefaultResourceGroupOptions {
  /** Takes the frames of all clients. Wins over {@link writer}. */
  readonly writeFunction?: WriteFunction
  /** Takes them if there is no {@link writeFunction}. */
  readonly writer?: ResourceWriter | ResourceStream
  /** The writer is a stream that the group ends when it closes. Default false: it only waits until all is written. */
  readonly endWriter?: boolean
  /** Makes a client's resource in another way; the group gives it its lock and, unless it has one, its queue. */
  readonly newResource?: (
    context: ResourceContext,
    from: string,
  ) => ConnectResource | Promise<ConnectResource>
  /** A client's resource is not used any more; also when the group closes, once all is written. */
  readonly onReclaim?: (resource: ConnectResource, from: string) => void
  /** How many frames of a client may wait in its queue. Default 1024. */
  readonly maxItems?: number
  /** How often resources that nobody uses are let go of, ms; 0: only by {@link DefaultResourceGroup.checkLocks}. Default 10 minutes. */
  readonly checkIntervalMs?: number
}

export interface DefaultResourceGroup extends ResourceGroup {
  /** Where the clients' locks are, by address. */
  readonly locks: LockGroup
  /** Clients that have a resource. */
  readonly size: number
  newResource(context: ResourceContext, from: string): ConnectResource | Promise<ConnectResource>
  /** Lets go of the resources that no connection uses. Returns how many. */
  checkLocks(): number
  close(): Promise<void>
}

/** What a lock carries. Null: there is none yet, or the last attempt to make one failed. */
interface Shared {
  resource: ConnectResource | Promise<ConnectResource> | null
}

interface Adopted {
  readonly from: string
  /** As it was made, and as it is used. */
  readonly made: ConnectResource
  readonly resource: ConnectResource & { readonly writeQueue: WriteQueue }
}

const fromOf = (client: Address): string => (client.kind === 'tcp' ? client.host : formatAddress(client))

const isShared = (value: unknown): value is Shared =>
  typeof value === 'object' && value !== null && 'resource' in value

const warnOfReclaim = (thrown: unknown): void =>
  process.emitWarning(`onReclaim of a resource group failed: ${messageOf(thrown)}`)

class ByClient implements DefaultResourceGroup {
  readonly locks = new LockGroup()
  readonly #options: DefaultResourceGroupOptions
  /** By client, those of their resources that are there. */
  readonly #resources = new Map<Lock, Adopted>()
  readonly #timer: NodeJS.Timeout | null
  #closing: Promise<void> | null = null

  constructor(options: DefaultResourceGroupOptions) {
    this.#options = options
    const { checkIntervalMs = DEFAULT_CHECK_INTERVAL_MS } = options
    this.#timer =
      checkIntervalMs === 0 ? null : setInterval(() => this.#checkInTime(), checkIntervalMs).unref()
  }

  get size(): number {
    return this.#resources.size
  }

  getResource(context: ResourceContext, { client }: ResourceConnection): GotResource | Promise<GotResource> {
    if (this.#closing !== null)
      throw new TidegateError('misuse', 'the resource group is closed', { fault: 'hook' })
    const from = fromOf(client)
    const lock = this.locks.getLock(from)
    lock.addRelease()
    const onClose = (): void => lock.release()
    try {
      const resource = this.#sharedBy(lock, context, from)
      if (!(resource instanceof Promise)) return { resource, onClose }
      return resource.then(
        (made) => ({ resource: made, onClose }),
        (thrown: unknown) => {
          lock.release()
          throw thrown
        },
      )
    } catch (thrown) {
      lock.release()
      throw thrown
    }
  }

  newResource(context: ResourceContext, from: string): ConnectResource | Promise<ConnectResource> {
    const { newResource, writeFunction, writer } = this.#options
    if (newResource !== undefined) return newResource(context, from)
    return { writeFunction: writeFunction ?? null, writer: writer ?? null, kind: 'default' }
  }

  /** @throws what `onReclaim` threw first, once all that is unused is reclaimed. */
  checkLocks(): number {
    return this.#reclaim(this.locks.checkLocks().map(({ lock }) => lock))
  }

  /** Returns how many of them had a resource. @throws what `onReclaim` threw first, when all are reclaimed. */
  #reclaim(locks: Iterable<Lock>): number {
    let count = 0
    const failures: unknown[] = []
    for (const lock of locks) {
      const known = this.#resources.get(lock)
      if (known === undefined) continue
      this.#resources.delete(lock)
      count++
      try {
        const reclaimed: unknown = this.#options.onReclaim?.(known.made, known.from)
        if (isThenable(reclaimed)) reclaimed.then(undefined, warnOfReclaim)
      } catch (thrown) {
        failures.push(thrown)
      }
    }
    if (failures.length > 0) throw failures[0]
    return count
  }

  /** Nobody waits for it, so what is wrong becomes a warning of the process. */
  #checkInTime(): void {
    try {
      this.checkLocks()
    } catch (thrown) {
      warnOfReclaim(thrown)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The client's resource; the first of its connections makes it. One that could not be made is tried again by the next. */
  #sharedBy(lock: Lock, context: ResourceContext, from: string): ConnectResource | Promise<ConnectResource> {
    const shared = isShared(lock.other) ? lock.other : { resource: null }
    if (shared.resource !== null) return shared.resource
    if (lock.other === undefined) lock.updateOther(shared)
    const made = this.newResource(context, from)
    if (isThenable(made))
      shared.resource = Promise.resolve(made)
        .then((later) => {
          shared.resource = this.#adopt(lock, later, from)
          return shared.resource
        })
        .catch((thrown: unknown) => {
          shared.resource = null
          throw thrown
        })
    else shared.resource = this.#adopt(lock, made, from)
    return shared.resource
  }

  #adopt(lock: Lock, made: ConnectResource, from: string): ConnectResource {
    const { maxItems } = this.#options
    const resource = {
      // Not copied: they may want to be called as methods of what they belong to.
      writeFunction: made.writeFunction == null ? null : made.writeFunction.bind(made),
      writer: made.writer ?? null,
      kind: made.kind ?? 'default',
      lock: made.lock ?? lock,
      writeQueue: made.writeQueue ?? new WriteQueue(maxItems === undefined ? {} : { maxItems }),
    }
    this.#resources.set(lock, { from, made, resource })
    return resource
  }

  async #close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    const queues = new Map<ResourceWriter | ResourceStream | null, WriteQueue[]>()
    queues.set(this.#options.writer ?? null, [])
    for (const { resource } of this.#resources.values()) {
      const { writer = null, writeQueue } = resource
      queues.set(writer, [...(queues.get(writer) ?? []), writeQueue])
    }
    // One that fails, or never ends, is no reason for the others not to be written.
    const ends = await Promise.allSettled(Array.from(queues, (each) => this.#end(...each)))
    // All that they were to write is written.
    this.#reclaim([...this.#resources.keys()])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** @throws what went wrong first, when all is done that could be. */
  async #end(writer: ResourceWriter | ResourceStream | null, queues: readonly WriteQueue[]): Promise<void> {
    const drained = await Promise.allSettled(queues.map(async (queue) => queue.drain()))
    if (writer !== null) await this.#flush(writer)
    for (const drain of drained) if (drain.status === 'rejected') throw drain.reason
  }

  async #flush(writer: ResourceWriter | ResourceStream): Promise<void> {
    if ('flush' in writer) await writer.flush?.()
    if (!this.#options.endWriter || !('end' in writer) || !writer.writable) return
    await new Promise<void>((resolve, reject) => {
      writer.on('error', reject)
      writer.end(resolve)
    })
  }
}

const invalid = (name: string, expected: string): TidegateError =>
  new TidegateError('value_invalid', `${name}: expected ${expected}`, { fault: 'usage', where: name })

/** @throws TidegateError `value_invalid`: nothing to write with, or an interval that is none. */
export const createDefaultResourceGroup = (options: DefaultResourceGroupOptions): DefaultResourceGroup => {
  const { writeFunction, writer, newResource, checkIntervalMs = 0, maxItems } = options
  for (const [name, value] of Object.entries({ writeFunction, newResource }))
    if (value !== undefined && typeof value !== 'function') throw invalid(name, 'a function')
  if (writeFunction === undefined && newResource === undefined && typeof writer?.write !== 'function')
    throw invalid('writer', 'an object with write(), or else a writeFunction or newResource')
  if (!Number.isFinite(checkIntervalMs) || checkIntervalMs < 0 || checkIntervalMs > MAX_INTERVAL_MS)
    throw invalid('checkIntervalMs', `milliseconds from 0 to ${MAX_INTERVAL_MS}`)
  if (maxItems !== undefined && !(Number.isSafeInteger(maxItems) && maxItems > 0))
    throw invalid('maxItems', 'a whole number from 1')
  return new ByClient(options)
}
