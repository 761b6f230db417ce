/**
 * Reads classic pcap, as tcpdump writes it (draft-ietf-opsawg-pcap).
 *
 *     file    = header *record
 *     header  = magic:u32 major:u16 minor:u16 zone:i32 sigfigs:u32 snaplen:u32 network:u32
 *     magic   = 0xa1b2c3d4    ; times in microseconds
 *             / 0xa1b23c4d    ; times in nanoseconds
 *     record  = seconds:u32 fraction:u32 captured:u32 original:u32 data
 *     network = fcs:u4 reserved:u12 link-type:u16
 *
 * Byte order is the writer's: the magic says which. The snapshot length is not trusted (files exist that break
 * it), only MAX_RECORD_BYTES limits a packet. A record header of zeros is not a packet but the tail that a file system
 * leaves after a power failure: torn if only zeros follow.
 */

import { type CaptureReader, type CaptureRecord, type DamageRecord, MAX_RECORD_BYTES } from '../capture.js'
import { QueueReader } from '../queue-reader.js'

const MAGIC_MICROSECONDS = 0xa1b2c3d4
const MAGIC_NANOSECONDS = 0xa1b23c4d
/** Alexey Kuznetzov's variant of 1998, with longer record headers. */
const MAGIC_MODIFIED = 0xa1b2cd34

const MAGIC_BYTES = 4
const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const MAJOR_VERSION = 2
const LINK_TYPE_MASK = 0xffff

const NS_PER_SECOND = 1_000_000_000n

interface Layout {
  readonly littleEndian: boolean
  /** Of the fraction field. */
  readonly nsPerUnit: bigint
}

const layoutOf = (magic: number, littleEndian: boolean): Layout | null => {
  if (magic === MAGIC_MICROSECONDS) return { littleEndian, nsPerUnit: 1000n }
  return magic === MAGIC_NANOSECONDS ? { littleEndian, nsPerUnit: 1n } : null
}

type State =
  | { readonly kind: 'header' }
  /** The section has been told, the interface not yet. */
  | { readonly kind: 'interface'; readonly layout: Layout }
  | { readonly kind: 'records'; readonly layout: Layout; readonly linkType: number }
  | { readonly kind: 'zeros'; readonly offset: number }

type Records = Extract<State, { kind: 'records' }>

const NO_COMMENTS: readonly string[] = []

class PcapReader extends QueueReader<State> {
  override readonly format = 'pcap'

  constructor() {
    super({ kind: 'header' })
  }

  protected override next(): CaptureRecord | null {
    const state = this.state
    switch (state.kind) {
      case 'done':
        return null
      case 'header':
        return this.#header()
      case 'interface':
        return this.#interface(state.layout)
      case 'records':
        return this.#record(state)
      case 'zeros':
        return this.queue.skipZeros()
          ? null
          : this.damage(state.offset, 'a record header of zeros with other bytes after it')
    }
  }

  #header(): CaptureRecord | null {
    const queue = this.queue
    if (!queue.ensure(MAGIC_BYTES)) return null
    const layout = layoutOf(queue.u32(0, true), true) ?? layoutOf(queue.u32(0, false), false)
    if (layout === null) {
      const modified = queue.u32(0, true) === MAGIC_MODIFIED || queue.u32(0, false) === MAGIC_MODIFIED
      return this.damage(
        0,
        modified
          ? "the 'modified' pcap format of 1998 is not supported; convert it with editcap"
          : 'no pcap magic; this is not a pcap file',
      )
    }
    if (!queue.ensure(FILE_HEADER_BYTES)) return null
    const major = queue.u16(4, layout.littleEndian)
    if (major !== MAJOR_VERSION)
      return this.damage(0, `pcap version ${major}, only ${MAJOR_VERSION} is known`)
    this.state = { kind: 'interface', layout }
    return { kind: 'section', offset: 0, application: undefined, comments: [] }
  }

  #interface(layout: Layout): CaptureRecord {
    const linkType = this.queue.u32(20, layout.littleEndian) & LINK_TYPE_MASK
    this.queue.consume(FILE_HEADER_BYTES)
    this.state = { kind: 'records', layout, linkType }
    return { kind: 'interface', offset: 0, index: 0, linkType, name: undefined, description: undefined }
  }

  #record({ layout, linkType }: Records): CaptureRecord | null {
    const queue = this.queue
    if (!queue.ensure(RECORD_HEADER_BYTES)) return null
    const offset = queue.position
    const le = layout.littleEndian
    const seconds = queue.u32(0, le)
    const fraction = queue.u32(4, le)
    const captured = queue.u32(8, le)
    const original = queue.u32(12, le)
    if ((seconds | fraction | captured | original) === 0) {
      this.state = { kind: 'zeros', offset }
      return this.next()
    }
    if (captured > MAX_RECORD_BYTES)
      return this.damage(
        offset,
        `packet claims ${captured} bytes, more than the ${MAX_RECORD_BYTES} that are read`,
      )
    if (!queue.ensure(RECORD_HEADER_BYTES + captured)) return null
    const data = queue.bytes(RECORD_HEADER_BYTES, captured)
    queue.consume(RECORD_HEADER_BYTES + captured)
    return {
      kind: 'packet',
      offset,
      timeNs: BigInt(seconds) * NS_PER_SECOND + BigInt(fraction) * layout.nsPerUnit,
      interfaceIndex: 0,
      linkType,
      data,
      originalLength: Math.max(original, captured),
      comments: NO_COMMENTS,
    }
  }

  protected override atEnd(state: State): DamageRecord | null {
    const { position: offset, available } = this.queue
    if (state.kind === 'zeros')
      return this.damage(state.offset, 'only zeros from here to the end of the file', true)
    if (state.kind === 'header') return this.#headerCut(available)
    return available === 0
      ? null
      : this.damage(offset, `the file ends after ${available} bytes of a packet record`, true)
  }

  #headerCut(available: number): DamageRecord {
    const queue = this.queue
    const foreign =
      available > 0 && queue.ensure(1) && queue.u8(0) !== 0xa1 && ![0xd4, 0x4d].includes(queue.u8(0))
    if (foreign) return this.damage(0, 'no pcap magic; this is not a pcap file')
    return this.damage(
      0,
      available === 0 ? 'the file is empty' : `the file ends after ${available} bytes of the file header`,
      true,
    )
  }
}

/** Each `push` must be iterated to its end before the next. */
export const createPcapReader = (): CaptureReader => new PcapReader()
