/**
 * Whose packets are whose, in what our own recorders write. Nothing needs to be put in order or together: each packet comes once, each
 * direction in order, and a connection's ends are not used by another before its close.
 */

import { viewOf } from '../bytes.js'
import { LINK_TYPE } from '../codec/link-types.js'
import type { Direction } from '../direction.js'
import { notesOf } from '../reassembly/notes.js'
import { createSegment, readSegment } from '../reassembly/segment.js'
import { senderIsClient } from '../reassembly/sides.js'
import type { OpenAnnotation } from '../record/annotation.js'
import { type PacketBlock, packetBlocks } from '../record/packet-blocks.js'

export interface TalkVisitor<T> {
  /** A connection is seen for the first time. What it returns stands for it from then on. */
  opened(open: OpenAnnotation): T
  /** One of its packets. `block` is valid only during the call, `payload` (perhaps empty) as long as the blocks. */
  packet(talk: T, block: PacketBlock, payload: Uint8Array, direction: Direction): void
  /** That was its last. */
  closed(talk: T): void
}

interface Known<T> {
  readonly talk: T
  readonly id: number
  readonly clientIsFirst: boolean
}

export class Talks<T> {
  /** Open connections, by their ends. */
  readonly #known = new Map<string, Known<T>>()
  readonly #segment = createSegment()
  readonly #visitor: TalkVisitor<T>

  constructor(visitor: TalkVisitor<T>) {
    this.#visitor = visitor
  }

  get size(): number {
    return this.#known.size
  }

  /** Whole blocks, which follow those before. */
  push(blocks: Uint8Array): void {
    for (const block of packetBlocks(blocks)) this.#packet(block)
  }

  /** Those that `isOver` says so of are over, though nothing said so. */
  end(isOver: (talk: T) => boolean): void {
    for (const [key, { talk }] of this.#known) {
      if (!isOver(talk)) continue
      this.#known.delete(key)
      this.#visitor.closed(talk)
    }
  }

  #packet(block: PacketBlock): void {
    const segment = this.#segment
    if (!readSegment(LINK_TYPE.raw, block.data, block.originalLength, segment)) return
    const notes = notesOf(block.comments)
    const { open, close } = notes
    const { key, sourceIsFirst, payloadAt, captured } = segment
    let known = this.#known.get(key)
    if (open !== null && known?.id !== open.id) {
      // The one before was given up without a close.
      if (known !== undefined) this.#visitor.closed(known.talk)
      const clientIsFirst = senderIsClient(block.data, segment, notes) === sourceIsFirst
      known = { talk: this.#visitor.opened(open), id: open.id, clientIsFirst }
      this.#known.set(key, known)
    }
    if (known === undefined) return
    const payload = viewOf(block.data, payloadAt, captured)
    const direction = sourceIsFirst === known.clientIsFirst ? 'upstream' : 'downstream'
    this.#visitor.packet(known.talk, block, payload, direction)
    if (close?.id !== known.id) return
    this.#known.delete(key)
    this.#visitor.closed(known.talk)
  }
}
