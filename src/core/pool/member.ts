/** A connection that belongs to a pool, and what the pool knows of it. It is the handle that the pool's methods take. */

import type { ListNode } from './list.js'

export class Member<T> implements ListNode<Member<T>> {
  readonly conn: T
  /** When it was dialled, by the pool's clock. */
  readonly createdMs: number
  /** How often it was taken. */
  uses = 0
  /** When it was put back last. */
  idleSinceMs = 0
  place: 'idle' | 'in_use' | 'gone' = 'in_use'
  next: Member<T> | null = null
  previous: Member<T> | null = null

  constructor(conn: T, createdMs: number) {
    this.conn = conn
    this.createdMs = createdMs
  }
}
