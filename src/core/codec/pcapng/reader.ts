/**
 * Reads pcapng (grammar in blocks.ts) block by block.
 *
 * Looked into and therefore buffered, so at most MAX_RECORD_BYTES long: section headers, interface descriptions and the
 * three kinds of packet. Everything else (names, statistics, secrets, custom, unknown) is skipped as it
 * streams by, and its trailing length checked all the same.
 *
 * A file that was cut short is torn. So is one that ends in zeros from the middle of a block, or between blocks, on: after a
 * power failure a file system may keep a file's length without its last pages.
 */

import {
  type CaptureReader,
  type CaptureRecord,
  type DamageRecord,
  MAX_RECORD_BYTES,
  type PacketRecord,
} from '../capture.js'
import { QueueReader } from '../queue-reader.js'
import { BLOCK_OVERHEAD_BYTES, BLOCK_TYPE, EPB, MIN_BLOCK_BYTES } from './blocks.js'
import {
  byteOrderOf,
  type CaptureInterface,
  type PacketBody,
  packetProblem,
  readInterface,
  readPacket,
  readSection,
  readSimplePacket,
} from './reader-blocks.js'

/** type and leading length. */
const HEAD_BYTES = 8
const TRAILER_BYTES = 4
const SECTION_MAGIC_AT = 8
const SECTION_HEAD_BYTES = 12

/** Interfaces of one section that are kept in mind: as many as the obsolete packet block could tell apart. */
const MAX_INTERFACES = 65_536

interface Section {
  readonly littleEndian: boolean
  readonly interfaces: CaptureInterface[]
}

/** `offset` is where the block in question starts. */
type State =
  /** At the start of a block. */
  | { readonly kind: 'block' }
  /** Inside a block nobody looks into: `left` bytes of body, then the trailer. */
  | { readonly kind: 'skip'; readonly offset: number; readonly length: number; readonly left: number }
  /** Zeros where a length should be: torn if only zeros follow, else damage for the reason given. */
  | { readonly kind: 'zeros'; readonly offset: number; readonly otherwise: string }

const AT_BLOCK: State = { kind: 'block' }

const minLength = (type: number): number => {
  switch (type) {
    case BLOCK_TYPE.sectionHeader:
      return MIN_BLOCK_BYTES.sectionHeader
    case BLOCK_TYPE.interfaceDescription:
      return MIN_BLOCK_BYTES.interfaceDescription
    case BLOCK_TYPE.enhancedPacket:
      return MIN_BLOCK_BYTES.enhancedPacket
    case BLOCK_TYPE.packet:
      return MIN_BLOCK_BYTES.packet
    case BLOCK_TYPE.simplePacket:
      return MIN_BLOCK_BYTES.simplePacket
    default:
      return BLOCK_OVERHEAD_BYTES
  }
}

const isLookedInto = (type: number): boolean => minLength(type) > BLOCK_OVERHEAD_BYTES

const nameOf = (type: number): string => `block of type 0x${type.toString(16).padStart(8, '0')}`

class PcapngReader extends QueueReader<State> {
  override readonly format = 'pcapng'
  #section: Section | null = null
  /** Interfaces of the sections before this one. */
  #interfacesBefore = 0

  constructor() {
    super(AT_BLOCK)
  }

  /** The next record, or null when it is not all here. */
  protected override next(): CaptureRecord | null {
    for (;;) {
      const state = this.state
      switch (state.kind) {
        case 'done':
          return null
        case 'zeros':
          return this.queue.skipZeros() ? null : this.damage(state.offset, state.otherwise)
        case 'skip': {
          const damage = this.#skip(state)
          if (damage !== 'passed') return damage
          break
        }
        case 'block': {
          const record = this.#block()
          if (record !== 'passed') return record
        }
      }
    }
  }

  #block(): CaptureRecord | null | 'passed' {
    const queue = this.queue
    if (!queue.ensure(HEAD_BYTES)) return null
    const offset = queue.position
    const type = queue.u32(0, this.#section?.littleEndian ?? true)
    if (type === BLOCK_TYPE.sectionHeader) return this.#sectionHeader(offset)
    if (this.#section === null)
      return this.damage(offset, `${nameOf(type)} before any section header; this is not pcapng`)
    const length = queue.u32(4, this.#section.littleEndian)
    if (length === 0) {
      this.state = { kind: 'zeros', offset, otherwise: `${nameOf(type)} claims a length of 0` }
      return 'passed'
    }
    const problem = this.#lengthProblem(type, length)
    if (problem !== null) return this.damage(offset, problem)
    if (isLookedInto(type)) return this.#whole(this.#section, offset, type, length)
    queue.consume(HEAD_BYTES)
    this.state = { kind: 'skip', offset, length, left: length - BLOCK_OVERHEAD_BYTES }
    return 'passed'
  }

  #sectionHeader(offset: number): CaptureRecord | null | 'passed' {
    const queue = this.queue
    if (!queue.ensure(SECTION_HEAD_BYTES)) return null
    const order = byteOrderOf(queue, SECTION_MAGIC_AT)
    if (order === null) return this.damage(offset, 'section header without a byte-order magic')
    const littleEndian = order === 'little'
    const length = queue.u32(4, littleEndian)
    const problem = this.#lengthProblem(BLOCK_TYPE.sectionHeader, length)
    if (problem !== null) return this.damage(offset, problem)
    return this.#whole({ littleEndian, interfaces: [] }, offset, BLOCK_TYPE.sectionHeader, length)
  }

  #lengthProblem(type: number, length: number): string | null {
    if (length % 4 !== 0) return `${nameOf(type)} claims ${length} bytes, which is not a multiple of 4`
    const least = minLength(type)
    if (length < least) return `${nameOf(type)} claims ${length} bytes, expected at least ${least}`
    if (isLookedInto(type) && length > MAX_RECORD_BYTES)
      return `${nameOf(type)} claims ${length} bytes, more than the ${MAX_RECORD_BYTES} that are read`
    return null
  }

  #trailerProblem(offset: number, length: number, trailer: number): DamageRecord | 'passed' {
    const message = `block of ${length} bytes ends in a trailing length of ${trailer}`
    if (trailer !== 0) return this.damage(offset, message)
    this.state = { kind: 'zeros', offset, otherwise: message }
    return 'passed'
  }

  #skip(state: Extract<State, { kind: 'skip' }>): DamageRecord | null | 'passed' {
    const queue = this.queue
    const left = state.left - queue.skip(state.left)
    this.state = { ...state, left }
    if (left > 0 || this.#section === null || !queue.ensure(TRAILER_BYTES)) return null
    const trailer = queue.u32(0, this.#section.littleEndian)
    queue.consume(TRAILER_BYTES)
    if (trailer !== state.length) return this.#trailerProblem(state.offset, state.length, trailer)
    this.state = AT_BLOCK
    return 'passed'
  }

  #whole(section: Section, offset: number, type: number, length: number): CaptureRecord | null | 'passed' {
    const queue = this.queue
    if (!queue.ensure(length)) return null
    const trailer = queue.u32(length - TRAILER_BYTES, section.littleEndian)
    if (trailer !== length) {
      queue.consume(length)
      return this.#trailerProblem(offset, length, trailer)
    }
    const record = this.#lookInto(section, offset, type, length)
    if (typeof record === 'string') return this.damage(offset, `${nameOf(type)}: ${record}`)
    queue.consume(length)
    return record
  }

  #lookInto(section: Section, offset: number, type: number, length: number): CaptureRecord | string {
    switch (type) {
      case BLOCK_TYPE.sectionHeader:
        return this.#beginSection(section, offset, length)
      case BLOCK_TYPE.interfaceDescription:
        return this.#addInterface(section, offset, length)
      case BLOCK_TYPE.simplePacket:
        return this.#packet(
          offset,
          readSimplePacket(this.queue, length, section.littleEndian, section.interfaces),
        )
      default: {
        const { littleEndian, interfaces } = section
        const obsolete = type === BLOCK_TYPE.packet
        return this.#packet(offset, readPacket(this.queue, length, littleEndian, interfaces, obsolete))
      }
    }
  }

  #beginSection(section: Section, offset: number, length: number): CaptureRecord | string {
    const body = readSection(this.queue, length, section.littleEndian)
    if (typeof body === 'string') return body
    this.#interfacesBefore += this.#section?.interfaces.length ?? 0
    this.#section = section
    return { kind: 'section', offset, application: body.application, comments: body.comments }
  }

  #addInterface(section: Section, offset: number, length: number): CaptureRecord | string {
    if (section.interfaces.length === MAX_INTERFACES)
      return `more than ${MAX_INTERFACES} interfaces in one section`
    const index = this.#interfacesBefore + section.interfaces.length
    const body = readInterface(this.queue, length, section.littleEndian, index)
    if (typeof body === 'string') return body
    section.interfaces.push(body.interface)
    const { linkType } = body.interface
    return { kind: 'interface', offset, index, linkType, name: body.name, description: body.description }
  }

  #packet(offset: number, body: PacketBody | string): PacketRecord | string {
    if (typeof body === 'string') return body
    return {
      kind: 'packet',
      offset,
      timeNs: body.timeNs,
      interfaceIndex: body.interface.index,
      linkType: body.interface.linkType,
      data: body.data,
      originalLength: body.originalLength,
      comments: body.comments,
    }
  }

  protected override atEnd(state: State): DamageRecord | null {
    switch (state.kind) {
      case 'zeros':
        return this.damage(state.offset, 'only zeros from here to the end of the file', true)
      case 'skip': {
        // Nobody writes such a block; more likely its length is damaged, and cutting the file here would lose much.
        const torn = state.length <= MAX_RECORD_BYTES
        return this.damage(state.offset, `the file ends inside a block of ${state.length} bytes`, torn)
      }
      case 'block':
        return this.#endOfBlocks()
    }
  }

  #endOfBlocks(): DamageRecord | null {
    const queue = this.queue
    const { position: offset, available } = queue
    if (available === 0 && this.#section !== null) return null
    queue.ensure(available)
    const problem =
      this.#section === null ? this.#foreign(available) : this.#headProblem(available, this.#section)
    if (problem !== null) return this.damage(offset, problem)
    const found = available === 0 ? 'the file is empty' : `the file ends after ${available} bytes of a block`
    return this.damage(offset, found, true)
  }

  /** Whether even the little there is of the first block cannot be a section header. */
  #foreign(available: number): string | null {
    const start = [0x0a, 0x0d, 0x0d, 0x0a].slice(0, available)
    return start.every((byte, at) => this.queue.u8(at) === byte)
      ? null
      : 'no section header; this is not pcapng'
  }

  /** What the fixed part of a packet block that is cut already shows to be wrong. */
  #headProblem(available: number, { littleEndian }: Section): string | null {
    const queue = this.queue
    if (available < EPB.data) return null
    const type = queue.u32(0, littleEndian)
    if (type !== BLOCK_TYPE.enhancedPacket && type !== BLOCK_TYPE.packet) return null
    return packetProblem(queue, queue.u32(4, littleEndian), littleEndian)
  }
}

/** Each `push` must be iterated to its end before the next. */
export const createPcapngReader = (): CaptureReader => new PcapngReader()
