/**
 * Live connections in shared memory: one thread writes, others read without asking it.
 *
 * - slot: a connection's place; of fixed size, so that it can be reused
 * - page: some slots in one buffer; a table grows by a page, and announces it
 * - sequence number: odd while its slot is being written. A reader takes a slot only if the number was even and is the
 *   same afterwards, so it never sees half of one connection and half of another (a seqlock)
 *
 *     slot = sequence  listener  state  id:2  started:2  accepted:2  upstream bytes:2  downstream bytes:2
 *            attempts  failure  client:address  upstream:address                                          ; in words, see shared-words.ts
 */

import type { Address } from '../../core/address.js'
import type { PerDirection } from '../../core/direction.js'
import type { FailureCode } from '../../core/health/failure-code.js'
import type { SessionStateName } from '../../core/session/machine.js'
import { failureOfNumber, numberOfFailure } from '../upstreams/failure-code.js'
import { addressWords, putAddress, putNumber, takeAddress, takeNumber, type Words } from './shared-words.js'

/** 110 KiB a page: little for a gateway that is idle, and 40 pages for 10,000 connections. */
const SLOTS_PER_PAGE = 256

/** A PROXY header may name a unix socket, whose path has at most so many; IPv6 with its interface's name takes 64. */
const CLIENT_TEXT_BYTES = 108
/** The longest name that DNS has, and any path of a unix socket. */
const UPSTREAM_TEXT_BYTES = 256

const LISTENER = 1
const STATE = 2
const ID = 3
const STARTED = 5
const ACCEPTED = 7
const UPSTREAM_BYTES = 9
const DOWNSTREAM_BYTES = 11
const ATTEMPTS = 13
const FAILURE = 14
const CLIENT = 15
const UPSTREAM = CLIENT + addressWords(CLIENT_TEXT_BYTES)
const SLOT_WORDS = UPSTREAM + addressWords(UPSTREAM_TEXT_BYTES)

/** A page of empty slots is all zeros, and so is the state of a slot that is free. */
const FREE = 0
const STATES = [
  'new',
  'routing',
  'dialing',
  'linked',
  'closed',
  'queued',
  'waking',
] as const satisfies SessionStateName[]
const STATE_CODES: Readonly<Record<SessionStateName, number>> = {
  new: 1,
  routing: 2,
  dialing: 3,
  linked: 4,
  closed: 5,
  queued: 6,
  waking: 7,
}

/** A thread that writes is interrupted for milliseconds at most; then the reader looks again. */
const SPINS = 64
const WAIT_FOR_WRITER_MS = 1
/** So long only a thread that died while writing takes. */
const WAITS = 200

const MICROSECONDS_PER_MS = 1000

/** The same on every thread, and never set back, ms since 1970. */
export const processNow = (): number => performance.timeOrigin + performance.now()

export interface LiveSlot {
  readonly id: number
  /** The listener's number. */
  readonly listener: number
  readonly client: Address
  readonly state: SessionStateName
  readonly upstream: Address | null
  /** By the clock on the wall, ms since 1970. */
  readonly startedAt: number
  /** By {@link processNow}. */
  readonly acceptedAt: number
  readonly bytes: PerDirection<number>
  readonly attempts: number
  readonly lastFailure: FailureCode | null
}

/** Nothing is dialled or relayed at first. */
export type NewLiveSlot = Omit<LiveSlot, 'bytes' | 'attempts' | 'lastFailure'>

const newPage = (): Words => new Int32Array(new SharedArrayBuffer(SLOTS_PER_PAGE * SLOT_WORDS * 4))

/** The writer's side. */
export class LiveTable {
  readonly #announce: (page: Words) => void
  readonly #pages: Words[] = []
  /** Numbers of free slots; the last freed is the first to be used again. */
  readonly #free: number[] = []

  constructor(announce: (page: Words) => void) {
    this.#announce = announce
    // Before anybody is in it: a reader that does not know a page yet misses who is.
    this.#grow()
  }

  /** Returns the number of its slot. */
  add({ id, listener, client, state, upstream, startedAt, acceptedAt }: NewLiveSlot): number {
    if (this.#free.length === 0) this.#grow()
    const slot = this.#free.pop()
    if (slot === undefined) throw new RangeError('a new page has free slots')
    const words = this.#pageOf(slot)
    const at = baseOf(slot)
    beginWriting(words, at)
    Atomics.store(words, at + LISTENER, listener)
    Atomics.store(words, at + STATE, STATE_CODES[state])
    putNumber(words, at + ID, id)
    putNumber(words, at + STARTED, Math.floor(startedAt))
    putNumber(words, at + ACCEPTED, Math.floor(acceptedAt * MICROSECONDS_PER_MS))
    putNumber(words, at + UPSTREAM_BYTES, 0)
    putNumber(words, at + DOWNSTREAM_BYTES, 0)
    Atomics.store(words, at + ATTEMPTS, 0)
    Atomics.store(words, at + FAILURE, 0)
    putAddress(words, at + CLIENT, client, CLIENT_TEXT_BYTES)
    putAddress(words, at + UPSTREAM, upstream, UPSTREAM_TEXT_BYTES)
    endWriting(words, at)
    return slot
  }

  state(slot: number, state: SessionStateName): void {
    const words = this.#pageOf(slot)
    const at = baseOf(slot)
    beginWriting(words, at)
    Atomics.store(words, at + STATE, STATE_CODES[state])
    endWriting(words, at)
  }

  upstream(slot: number, upstream: Address | null): void {
    const words = this.#pageOf(slot)
    const at = baseOf(slot)
    beginWriting(words, at)
    putAddress(words, at + UPSTREAM, upstream, UPSTREAM_TEXT_BYTES)
    endWriting(words, at)
  }

  dials(slot: number, attempts: number, lastFailure: FailureCode | null): void {
    const words = this.#pageOf(slot)
    const at = baseOf(slot)
    beginWriting(words, at)
    Atomics.store(words, at + ATTEMPTS, attempts)
    Atomics.store(words, at + FAILURE, lastFailure === null ? 0 : numberOfFailure(lastFailure))
    endWriting(words, at)
  }

  bytes(slot: number, upstream: number, downstream: number): void {
    const words = this.#pageOf(slot)
    const at = baseOf(slot)
    beginWriting(words, at)
    putNumber(words, at + UPSTREAM_BYTES, upstream)
    putNumber(words, at + DOWNSTREAM_BYTES, downstream)
    endWriting(words, at)
  }

  remove(slot: number): void {
    const words = this.#pageOf(slot)
    const at = baseOf(slot)
    beginWriting(words, at)
    Atomics.store(words, at + STATE, FREE)
    endWriting(words, at)
    this.#free.push(slot)
  }

  #pageOf(slot: number): Words {
    const page = this.#pages[Math.floor(slot / SLOTS_PER_PAGE)]
    if (page === undefined) throw new RangeError(`there is no slot ${slot}`)
    return page
  }

  #grow(): void {
    const first = this.#pages.length * SLOTS_PER_PAGE
    const page = newPage()
    this.#pages.push(page)
    this.#announce(page)
    for (let slot = first + SLOTS_PER_PAGE - 1; slot >= first; slot--) this.#free.push(slot)
  }
}

const baseOf = (slot: number): number => (slot % SLOTS_PER_PAGE) * SLOT_WORDS

const beginWriting = (words: Words, at: number): void => void Atomics.add(words, at, 1)

const endWriting = (words: Words, at: number): void => {
  Atomics.add(words, at, 1)
}

const copyOf = (words: Words, at: number): LiveSlot | null => {
  const state = STATES[Atomics.load(words, at + STATE) - 1]
  const client = takeAddress(words, at + CLIENT, CLIENT_TEXT_BYTES)
  if (state === undefined || client === null) return null
  return {
    id: takeNumber(words, at + ID),
    listener: Atomics.load(words, at + LISTENER),
    client,
    state,
    upstream: takeAddress(words, at + UPSTREAM, UPSTREAM_TEXT_BYTES),
    startedAt: takeNumber(words, at + STARTED),
    acceptedAt: takeNumber(words, at + ACCEPTED) / MICROSECONDS_PER_MS,
    bytes: {
      upstream: takeNumber(words, at + UPSTREAM_BYTES),
      downstream: takeNumber(words, at + DOWNSTREAM_BYTES),
    },
    attempts: Atomics.load(words, at + ATTEMPTS),
    lastFailure: failureOfNumber(Atomics.load(words, at + FAILURE)),
  }
}

/** What `take` reads of the slot while nobody writes it. Null also when its writer died while writing. */
const whole = <T>(words: Words, at: number, take: (words: Words, at: number) => T): T | null => {
  for (let tries = 0; tries < SPINS + WAITS; tries++) {
    const sequence = Atomics.load(words, at)
    if (sequence % 2 === 0) {
      const taken = take(words, at)
      if (Atomics.load(words, at) === sequence) return taken
    } else if (tries >= SPINS) Atomics.wait(words, at, sequence, WAIT_FOR_WRITER_MS)
  }
  return null
}

/** The reader's side: what is live in the pages of one table. */
export const readLive = (pages: readonly Words[]): readonly LiveSlot[] => {
  const live: LiveSlot[] = []
  for (const page of pages) {
    for (let at = 0; at < page.length; at += SLOT_WORDS) {
      if (Atomics.load(page, at + STATE) === FREE && Atomics.load(page, at) % 2 === 0) continue
      const slot = whole(page, at, copyOf)
      if (slot !== null) live.push(slot)
    }
  }
  return live
}

const idOf = (words: Words, at: number): number =>
  Atomics.load(words, at + STATE) === FREE ? 0 : takeNumber(words, at + ID)

export const isLive = (pages: readonly Words[], id: number): boolean => {
  for (const page of pages)
    for (let at = 0; at < page.length; at += SLOT_WORDS) if (whole(page, at, idOf) === id) return true
  return false
}
