/**
 * Reads gogetway's frames (grammar in frame.ts).
 *
 * The length field is the truth, and checked: a frame counts only when a magic, zeros or the end of the file follow its body and no
 * unescaped LF "t" is in it. So a frame cut by a crash with others appended after it is damage at its own offset,
 * and a wrong length never passes for a shorter payload. Each frame therefore waits for the 13 bytes after it.
 *
 * Zeros from a frame's end to the end of the file are what a file system leaves after a power failure: torn.
 */

import { viewOf } from '../../bytes.js'
import {
  type CaptureReader,
  type CaptureRecord,
  type DamageRecord,
  type FrameRecord,
  MAX_RECORD_BYTES,
} from '../capture.js'
import { QueueReader } from '../queue-reader.js'
import { FRAME_AT, FRAME_MAGIC, MAX_ADDRESSES_BYTES, splitAddresses, unescapeBody } from './frame.js'

const LF = 0x0a
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** What has been made out of the frame at the head of the queue so far. */
type State =
  | { readonly kind: 'head' }
  | { readonly kind: 'addresses'; readonly bodyLength: number; readonly scanned: number }
  | {
      readonly kind: 'body'
      readonly from: string
      readonly to: string
      readonly bodyAt: number
      readonly bodyLength: number
    }
  | { readonly kind: 'zeros'; readonly offset: number }

type Addresses = Extract<State, { kind: 'addresses' }>
type Body = Extract<State, { kind: 'body' }>

const AT_HEAD: State = { kind: 'head' }

/** What the bytes after a frame can be, going by as many of the first 13 as there are. */
type Follower = 'magic' | 'zeros' | 'other'

class GogetwayReader extends QueueReader<State> {
  override readonly format = 'gogetway'
  /** Length of the frame given out last, which stays at the head of the queue while its body is in use. */
  #used = 0

  constructor() {
    super(AT_HEAD)
  }

  override *end(): Iterable<CaptureRecord> {
    yield* this.take(true)
    yield* super.end()
  }

  /** `ended`: no bytes will come after those that are here. */
  protected override next(ended: boolean): CaptureRecord | null {
    this.queue.consume(this.#used)
    this.#used = 0
    for (;;) {
      const state = this.state
      let step: CaptureRecord | null | 'passed'
      switch (state.kind) {
        case 'done':
          return null
        case 'zeros':
          return this.queue.skipZeros()
            ? null
            : this.damage(state.offset, 'zeros where a frame should begin, with other bytes after them')
        case 'head':
          step = this.#head()
          break
        case 'addresses':
          step = this.#addresses(state)
          break
        case 'body':
          step = this.#body(state, ended)
      }
      if (step !== 'passed') return step
    }
  }

  /** Compares what is at `at` with a magic and with zeros; at most `available` bytes of it are looked at. */
  #follower(at: number, available: number): Follower {
    const length = Math.min(FRAME_MAGIC.length, available)
    let magic = true
    let zeros = true
    for (let index = 0; index < length; index += 1) {
      const byte = this.queue.u8(at + index)
      magic &&= byte === FRAME_MAGIC[index]
      zeros &&= byte === 0
    }
    if (magic) return 'magic'
    return zeros ? 'zeros' : 'other'
  }

  #head(): DamageRecord | null | 'passed' {
    const queue = this.queue
    if (!queue.ensure(FRAME_MAGIC.length)) return null
    const offset = queue.position
    const found = this.#follower(0, FRAME_MAGIC.length)
    if (found === 'other') return this.damage(offset, 'no frame magic where a frame should begin')
    if (found === 'zeros') {
      this.state = { kind: 'zeros', offset }
      return 'passed'
    }
    if (!queue.ensure(FRAME_AT.addresses)) return null
    const low = queue.u32(FRAME_AT.length, true)
    const high = queue.u32(FRAME_AT.length + 4, true)
    if (high !== 0 || low > MAX_RECORD_BYTES)
      return this.damage(
        offset,
        `frame claims ${queue.i64(FRAME_AT.length, true)} bytes, expected 0 to ${MAX_RECORD_BYTES}`,
      )
    this.state = { kind: 'addresses', bodyLength: low, scanned: 0 }
    return 'passed'
  }

  #addresses({ bodyLength, scanned }: Addresses): DamageRecord | null | 'passed' {
    const queue = this.queue
    const there = Math.min(queue.available - FRAME_AT.addresses, MAX_ADDRESSES_BYTES + 1)
    queue.ensure(FRAME_AT.addresses + there)
    const line = queue.bytes(FRAME_AT.addresses, there)
    const end = line.indexOf(LF, scanned)
    if (end === -1) {
      if (there > MAX_ADDRESSES_BYTES)
        return this.damage(
          queue.position,
          `the addresses of a frame do not end within ${MAX_ADDRESSES_BYTES} bytes`,
        )
      this.state = { kind: 'addresses', bodyLength, scanned: there }
      // Asking for one more byte than there is carries these over to the next chunk.
      queue.ensure(FRAME_AT.addresses + there + 1)
      return null
    }
    const parts = splitAddresses(UTF8.decode(viewOf(line, 0, end)))
    if (parts === null)
      return this.damage(queue.position, "the addresses of a frame have no '...' between them")
    const bodyAt = FRAME_AT.addresses + end + 1
    this.state = { kind: 'body', from: parts[0], to: parts[1], bodyAt, bodyLength }
    return 'passed'
  }

  #body(state: Body, ended: boolean): FrameRecord | DamageRecord | null {
    const queue = this.queue
    const { from, to, bodyAt, bodyLength } = state
    const length = bodyAt + bodyLength
    const wanted = length + FRAME_MAGIC.length
    const here = ended ? Math.min(queue.available, wanted) : wanted
    if (!queue.ensure(Math.max(here, length))) return null
    const offset = queue.position
    const body = unescapeBody(queue.bytes(bodyAt, bodyLength))
    if (body === null) return this.damage(offset, 'a frame begins inside the body of this one')
    if (this.#follower(length, here - length) === 'other')
      return this.damage(offset, `no frame begins where the ${bodyLength} bytes of this one's body end`)
    this.state = AT_HEAD
    this.#used = length
    const timeNs = queue.i64(FRAME_AT.time, true)
    return { kind: 'frame', offset, timeNs, type: queue.u8(FRAME_AT.type), from, to, body }
  }

  protected override atEnd(state: State): DamageRecord | null {
    const queue = this.queue
    const { position: offset, available } = queue
    if (state.kind === 'zeros')
      return this.damage(state.offset, 'only zeros from here to the end of the file', true)
    if (available === 0 && offset > 0) return null
    if (available === 0) return this.damage(offset, 'the file is empty', true)
    queue.ensure(available)
    if (this.#follower(0, available) === 'other')
      return this.damage(offset, 'no frame magic where a frame should begin')
    if (state.kind === 'body' && unescapeBody(queue.bytes(state.bodyAt, available - state.bodyAt)) === null)
      return this.damage(offset, 'a frame begins inside the body of this one')
    return this.damage(offset, `the file ends after ${available} bytes of a frame`, true)
  }
}

/** Each `push` must be iterated to its end before the next. */
export const createGogetwayReader = (): CaptureReader => new GogetwayReader()
