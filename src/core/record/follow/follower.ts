/**
 * Follows what is written of a recording that is kept in several files, each complete in itself: in front of the first packets that a
 * file has of a connection from an earlier one, it puts an introduction.
 *
 *     nextFile      a new file begins; nobody is introduced in it
 *     before        what has to be written in front of these blocks, in the file that they go to
 *     written       these blocks are written; if they could not be, it is not called, and nothing has changed
 *
 * Connections that have nothing to say are not introduced, so a file costs no more than what is in it.
 */

import { LINK_TYPE } from '../../codec/link-types.js'
import { notesOf } from '../../reassembly/notes.js'
import { createSegment, readSegment } from '../../reassembly/segment.js'
import { senderIsClient } from '../../reassembly/sides.js'
import { Followed } from './followed.js'
import { packetBlocks } from './packet-blocks.js'

/** As many as recordings tell apart (tuples.ts). What goes on beyond it of the connections begun first is not introduced. */
const MAX_FOLLOWED = 1 << 18

const NOTHING: readonly Uint8Array[] = []

export class Follower {
  /** Open connections by their ends. */
  readonly #followed = new Map<string, Followed>()
  readonly #segment = createSegment()
  #file = 0
  #named = 0

  /** Connections that the current file names. */
  get named(): number {
    return this.#named
  }

  get followed(): number {
    return this.#followed.size
  }

  nextFile(): void {
    this.#file++
    this.#named = 0
  }

  before(blocks: Uint8Array): readonly Uint8Array[] {
    if (this.#followed.size === 0) return NOTHING
    const segment = this.#segment
    const seen = new Set<string>()
    const introductions: Uint8Array[] = []
    for (const block of packetBlocks(blocks)) {
      if (!readSegment(LINK_TYPE.raw, block.data, block.originalLength, segment)) continue
      const known = this.#followed.get(segment.key)
      if (known === undefined || known.file === this.#file || seen.has(segment.key)) continue
      seen.add(segment.key)
      const { open } = notesOf(block.comments)
      if (open !== null && open.id !== known.id) continue
      introductions.push(known.introduction(block.timeMs))
    }
    return introductions
  }

  written(blocks: Uint8Array): void {
    const segment = this.#segment
    for (const block of packetBlocks(blocks)) {
      if (!readSegment(LINK_TYPE.raw, block.data, block.originalLength, segment)) continue
      const notes = notesOf(block.comments)
      const { open, close } = notes
      let followed = this.#followed.get(segment.key)
      if (open !== null && open.id !== followed?.id) {
        const fromClient = senderIsClient(block.data, segment, notes)
        followed = new Followed(open, block, segment, fromClient, this.#file)
        this.#follow(segment.key, followed)
        this.#named++
      }
      if (followed === undefined) continue
      if (followed.file !== this.#file) {
        followed.file = this.#file
        this.#named++
      }
      followed.take(segment, notes)
      if (close?.id === followed.id) this.#followed.delete(segment.key)
    }
  }

  #follow(key: string, followed: Followed): void {
    this.#followed.delete(key)
    this.#followed.set(key, followed)
    if (this.#followed.size <= MAX_FOLLOWED) return
    for (const oldest of this.#followed.keys()) {
      this.#followed.delete(oldest)
      return
    }
  }
}
