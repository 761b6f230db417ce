/**
 * A queue from whose middle things leave in constant time: waiters that give up, connections that die. The links are in the things
 * themselves, so that coming and going allocates nothing. A thing is in one list at a time; its owner knows in which.
 */

export interface ListNode<N> {
  next: N | null
  previous: N | null
}

export class List<N extends ListNode<N>> {
  #first: N | null = null
  #last: N | null = null
  #size = 0

  get first(): N | null {
    return this.#first
  }

  get last(): N | null {
    return this.#last
  }

  get size(): number {
    return this.#size
  }

  /** Puts it last. */
  push(node: N): void {
    node.previous = this.#last
    if (this.#last === null) this.#first = node
    else this.#last.next = node
    this.#last = node
    this.#size++
  }

  remove(node: N): void {
    if (node.previous === null) this.#first = node.next
    else node.previous.next = node.next
    if (node.next === null) this.#last = node.previous
    else node.next.previous = node.previous
    node.next = null
    node.previous = null
    this.#size--
  }
}
