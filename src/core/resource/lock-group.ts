/**
 * Locks by address, in a tree: a group has locks and groups below it, by the parts of an address.
 *
 *     root ─ 10 ─ 0 ─ 0 ─ 7 ─ (lock of the address 10.0.0.7)
 *                          └─ 51234 (lock of the address 10.0.0.7:51234)
 *
 * A lock that nobody uses, and a group without locks, are forgotten by `checkLocks`. Nothing that is used or held is ever touched.
 */

import { TidegateError } from '../../errors.js'
import { addressPath } from './address-path.js'
import { Lock } from './lock.js'

/** An IPv6 address with its port has nine parts. */
export const DEFAULT_MAX_DEPTH = 16

export interface Reclaimed {
  readonly address: string
  readonly lock: Lock
}

const tooDeep = (address: string, maxDepth: number): TidegateError =>
  new TidegateError('value_invalid', `'${address}' has more than ${maxDepth} parts`, {
    fault: 'usage',
    where: address,
  })

const misuse = (message: string): TidegateError => new TidegateError('misuse', message, { fault: 'hook' })

export class LockGroup {
  /** Null: the root. */
  readonly parent: LockGroup | null
  readonly #maxDepth: number
  readonly #groups = new Map<string, LockGroup>()
  readonly #locks = new Map<string, { readonly address: string; readonly lock: Lock }>()
  #isDestroyed = false
  #defaultLock: Lock | null = null

  /** @param maxDepth parts that an address may have. Default 16. */
  constructor({ parent = null, maxDepth = DEFAULT_MAX_DEPTH }: LockGroupOptions = {}) {
    this.parent = parent
    this.#maxDepth = parent === null ? maxDepth : parent.#maxDepth
  }

  /** The group's own. */
  get defaultLock(): Lock {
    this.#defaultLock ??= new Lock()
    return this.#defaultLock
  }

  /** Locks in this group and all below it. */
  get size(): number {
    let size = this.#locks.size
    for (const group of this.#groups.values()) size += group.size
    return size
  }

  /**
   * The lock of an address, the same one until it is reclaimed: who wants it to last says so with `addRelease` in the same turn.
   * @throws TidegateError `value_invalid`: too many parts; `misuse`: the group is destroyed.
   */
  getLock(address: string): Lock {
    const path = this.#pathOf(address)
    const last = path.pop() ?? ''
    return this.#descend(path).#lockAt(last, address)
  }

  /** The group of all addresses that begin with `prefix`, e.g. `10.0`. @throws TidegateError as {@link getLock} */
  getLockedGroup(prefix: string): LockGroup {
    return this.#descend(this.#pathOf(prefix))
  }

  /**
   * Forgets the locks that nobody uses or holds, in this group and below, and groups that have become empty. Returns
   * what it has forgotten, so that its owner can let go of what was attached.
   */
  checkLocks(): readonly Reclaimed[] {
    const reclaimed: Reclaimed[] = []
    this.#check(reclaimed)
    return reclaimed
  }

  /** Nothing in it, or below it, is used or held. */
  canDestroy(): boolean {
    if (this.#defaultLock?.canRelease() === false) return false
    for (const { lock } of this.#locks.values()) if (!lock.canRelease()) return false
    for (const group of this.#groups.values()) if (!group.canDestroy()) return false
    return true
  }

  /** Ends its use. @throws TidegateError `misuse`: something in it is used or held. */
  destroy(): void {
    if (!this.canDestroy()) throw misuse('the group has locks that are used or held')
    this.checkLocks()
    this.#isDestroyed = true
  }

  #pathOf(address: string): string[] {
    const path = addressPath(address)
    if (path.length > this.#maxDepth) throw tooDeep(address, this.#maxDepth)
    return path
  }

  #descend(path: readonly string[]): LockGroup {
    this.#checkAlive()
    let group: LockGroup = this
    for (const part of path) group = group.#groupAt(part)
    return group
  }

  #checkAlive(): void {
    for (let group: LockGroup | null = this; group !== null; group = group.parent)
      if (group.#isDestroyed) throw misuse('the lock group is destroyed')
  }

  #groupAt(part: string): LockGroup {
    const known = this.#groups.get(part)
    if (known !== undefined) return known
    const group = new LockGroup({ parent: this })
    this.#groups.set(part, group)
    return group
  }

  #lockAt(part: string, address: string): Lock {
    const known = this.#locks.get(part)
    if (known !== undefined) return known.lock
    const lock = new Lock()
    this.#locks.set(part, { address, lock })
    return lock
  }

  #check(reclaimed: Reclaimed[]): void {
    for (const [part, group] of this.#groups) {
      group.#check(reclaimed)
      if (!group.#isEmpty) continue
      // Whoever still has it could fill it unseen.
      group.#isDestroyed = true
      this.#groups.delete(part)
    }
    for (const [part, entry] of this.#locks) {
      if (!entry.lock.reclaim()) continue
      this.#locks.delete(part)
      reclaimed.push(entry)
    }
  }

  get #isEmpty(): boolean {
    return this.#groups.size === 0 && this.#locks.size === 0 && this.#defaultLock?.canRelease() !== false
  }
}

export interface LockGroupOptions {
  readonly parent?: LockGroup | null
  readonly maxDepth?: number
}
