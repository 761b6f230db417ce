/**
 * Which pairs of ends are in use in a recording. Two connections may really have the same: one client port reaches two
 * listeners that share an upstream, or is used again before the earlier connection's close is written. Their
 * packets could not be told apart, so the later one's client is given another port; its real one is in the `open`
 * annotation.
 *
 * The table is memory that recorders on several threads share, without locks: a thread that dies cannot leave one behind.
 *
 *     table   = *bucket
 *     bucket  = 32 slots                ; each key has two, by two hashes: no chains, nothing to move, no tombstones
 *     slot    = hash mark               ; 32 bits each; 0 0 = free
 *     mark    = 23 bits of another hash, 9 bits of owner
 *
 * Who claims takes a free slot by compare-and-swap of its hash, and only then looks whether the key is there a second
 * time; if so, it gives its slot back and takes the ends for used. So of two that claim the same at the same moment one
 * gets another port, or both do, but never do both have it. Two different keys that look the same are as harmless: one
 * in 2^55 gets another port without need.
 */

import type { PacketEnds } from './endpoints.js'

/** Enough for the recorded connections of half a million descriptors; their ends take 2 MiB. */
const DEFAULT_SLOTS = 1 << 18

const BUCKET_SLOTS = 32
const SLOT_WORDS = 2
const BUCKET_WORDS = BUCKET_SLOTS * SLOT_WORDS

const OWNER_MASK = 0x1ff
const MAX_PORT = 0xffff
/** The dynamic range (RFC 6335), where client ports are expected. */
const FIRST_PORT = 49152

/** Memory for the ends of one recording, all free. `slots`: a power of two, at least 64. */
export const sharedEnds = (slots: number = DEFAULT_SLOTS): SharedArrayBuffer =>
  new SharedArrayBuffer(slots * SLOT_WORDS * Int32Array.BYTES_PER_ELEMENT)

/** The finisher of MurmurHash3: each bit of the input moves each bit of the output. */
const mix = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

const hashOf = ({ client, server }: PacketEnds, seed: number): number => {
  let hash = seed
  for (const word of client.words) hash = mix(hash ^ word) + 0x9e3779b9
  for (const word of server.words) hash = mix(hash ^ word) + 0x7f4a7c15
  return mix(hash ^ ((client.port << 16) | server.port))
}

/** Ends as the table knows them. */
interface Key {
  /** Never 0: that is a free slot. */
  readonly hash: number
  readonly mark: number
  /** The first words of its two buckets. */
  readonly buckets: readonly [number, number]
}

const NOWHERE = -1

export class Tuples {
  readonly #table: Int32Array
  readonly #owner: number
  readonly #bucketMask: number
  #lastPort = MAX_PORT

  /** @param owner who claims, 0 to 510: each recorder of the same memory another one. */
  constructor(memory: SharedArrayBuffer | ArrayBuffer, owner: number) {
    this.#table = new Int32Array(memory)
    this.#owner = owner + 1
    this.#bucketMask = this.#table.length / BUCKET_WORDS - 1
  }

  /**
   * These ends, or where they are in use the same with another client port. While the table is full (more connections than
   * it has slots), ends are given out unclaimed: then two connections may have the same.
   */
  claim(ends: PacketEnds): PacketEnds {
    let free = ends
    for (let tries = FIRST_PORT; tries <= MAX_PORT && !this.#take(this.#keyOf(free)); tries++)
      free = { ...ends, client: { ...ends.client, port: this.#nextPort() } }
    return free
  }

  /** Gives back what {@link claim} gave. */
  release(ends: PacketEnds): void {
    const key = this.#keyOf(ends)
    for (const bucket of key.buckets)
      for (let word = bucket; word < bucket + BUCKET_WORDS; word += SLOT_WORDS)
        if (this.#table[word] === key.hash && this.#table[word + 1] === key.mark) return this.#free(word)
  }

  /** Gives back all that this owner has claimed: it is gone. */
  releaseAll(): void {
    for (let word = 0; word < this.#table.length; word += SLOT_WORDS)
      if (((this.#table[word + 1] ?? 0) & OWNER_MASK) === this.#owner) this.#free(word)
  }

  #keyOf(ends: PacketEnds): Key {
    const hash = hashOf(ends, 0x2545f491) || 1
    const second = hashOf(ends, 0x6a09e667)
    const bucketOf = (value: number): number => (value & this.#bucketMask) * BUCKET_WORDS
    return {
      hash,
      mark: (second & ~OWNER_MASK) | this.#owner,
      buckets: [bucketOf(hash >>> 8), bucketOf(mix(hash ^ second))],
    }
  }

  /** False when somebody has it. */
  #take(key: Key): boolean {
    if (this.#isTaken(key, NOWHERE)) return false
    const mine = this.#insert(key)
    if (mine === NOWHERE || !this.#isTaken(key, mine)) return true
    this.#free(mine)
    return false
  }

  /** Into the emptier of its buckets, so that neither is full before nearly all are. */
  #insert(key: Key): number {
    const [first, second] = key.buckets
    const order = this.#used(first) <= this.#used(second) ? [first, second] : [second, first]
    for (const bucket of order)
      for (let word = bucket; word < bucket + BUCKET_WORDS; word += SLOT_WORDS) {
        if (Atomics.compareExchange(this.#table, word, 0, key.hash) !== 0) continue
        Atomics.store(this.#table, word + 1, key.mark)
        return word
      }
    return NOWHERE
  }

  #used(bucket: number): number {
    let used = 0
    for (let word = bucket; word < bucket + BUCKET_WORDS; word += SLOT_WORDS)
      if (this.#table[word] !== 0) used++
    return used
  }

  /** Whether a slot other than `mine` has this key. A slot whose mark is not there yet may have it. */
  #isTaken({ hash, mark, buckets }: Key, mine: number): boolean {
    for (const bucket of buckets)
      for (let word = bucket; word < bucket + BUCKET_WORDS; word += SLOT_WORDS) {
        if (word === mine || Atomics.load(this.#table, word) !== hash) continue
        const found = Atomics.load(this.#table, word + 1)
        if (found === 0 || ((found ^ mark) & ~OWNER_MASK) === 0) return true
      }
    return false
  }

  #free(word: number): void {
    // The mark first: whoever takes the slot meanwhile must not find another's.
    Atomics.store(this.#table, word + 1, 0)
    Atomics.store(this.#table, word, 0)
  }

  /** Goes round, so that the next claim need not pass over what the last ones took. */
  #nextPort(): number {
    this.#lastPort = this.#lastPort === MAX_PORT ? FIRST_PORT : this.#lastPort + 1
    return this.#lastPort
  }
}
