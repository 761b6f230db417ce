/**
 * The bodies of the blocks that are looked into. Each function is given a whole block at the head of the queue and
 * returns what it says, or a text: what is wrong with it.
 */

import { type ByteQueue, dataViewOf } from '../../bytes.js'
import { BYTE_ORDER_MAGIC, EPB, OPTION, padded, VERSION } from './blocks.js'
import { readOptions, textOf } from './reader-options.js'
import { type Clock, createClock, DEFAULT_TS_RESOLUTION } from './reader-time.js'

const TRAILER_BYTES = 4

/** An interface as later packets need it. */
export interface CaptureInterface {
  /** Over the whole file. */
  readonly index: number
  readonly linkType: number
  /** 0: no limit. */
  readonly snapLength: number
  readonly clock: Clock
}

/** Both ends agree on the order or it is not a section header at all. */
export const byteOrderOf = (queue: ByteQueue, at: number): 'little' | 'big' | null => {
  if (queue.u32(at, true) === BYTE_ORDER_MAGIC) return 'little'
  return queue.u32(at, false) === BYTE_ORDER_MAGIC ? 'big' : null
}

const SHB = { major: 12, minor: 14, sectionLength: 16, options: 24 } as const
const LENGTH_UNKNOWN = -1n

export interface SectionBody {
  readonly application: string | undefined
  readonly comments: readonly string[]
}

export const readSection = (queue: ByteQueue, length: number, le: boolean): SectionBody | string => {
  const major = queue.u16(SHB.major, le)
  if (major !== VERSION.major)
    return `pcapng version ${major}.${queue.u16(SHB.minor, le)}, only ${VERSION.major}.x is known`
  const sectionLength = queue.i64(SHB.sectionLength, le)
  if (sectionLength !== LENGTH_UNKNOWN && (sectionLength < 0n || sectionLength % 4n !== 0n))
    return `section length ${sectionLength}, expected -1 or a multiple of 4`
  let application: string | undefined
  const comments: string[] = []
  const area = queue.bytes(SHB.options, length - SHB.options - TRAILER_BYTES)
  const problem = readOptions(area, le, (code, value) => {
    if (code === OPTION.shbUserApplication) application = textOf(value)
    if (code === OPTION.comment) comments.push(textOf(value))
  })
  return problem ?? { application, comments }
}

const IDB = { linkType: 8, snapLength: 12, options: 16 } as const
const TS_OFFSET_BYTES = 8

export interface InterfaceBody {
  readonly interface: CaptureInterface
  readonly name: string | undefined
  readonly description: string | undefined
}

export const readInterface = (
  queue: ByteQueue,
  length: number,
  le: boolean,
  index: number,
): InterfaceBody | string => {
  let name: string | undefined
  let description: string | undefined
  let resolution = DEFAULT_TS_RESOLUTION
  let offsetSeconds = 0n
  let wrong: string | null = null
  const area = queue.bytes(IDB.options, length - IDB.options - TRAILER_BYTES)
  const problem = readOptions(area, le, (code, value) => {
    if (code === OPTION.ifName) name = textOf(value)
    else if (code === OPTION.ifDescription) description = textOf(value)
    else if (code === OPTION.ifTsResolution) {
      const [byte] = value
      if (byte === undefined || value.length > 1) wrong = `if_tsresol has ${value.length} bytes, expected 1`
      else resolution = byte
    } else if (code === OPTION.ifTsOffset) {
      if (value.length !== TS_OFFSET_BYTES)
        wrong = `if_tsoffset has ${value.length} bytes, expected ${TS_OFFSET_BYTES}`
      else offsetSeconds = dataViewOf(value).getBigInt64(0, le)
    }
  })
  if (problem !== null || wrong !== null) return problem ?? wrong ?? ''
  const linkType = queue.u16(IDB.linkType, le)
  const snapLength = queue.u32(IDB.snapLength, le)
  return {
    interface: { index, linkType, snapLength, clock: createClock(resolution, offsetSeconds) },
    name,
    description,
  }
}

export interface PacketBody {
  readonly interface: CaptureInterface
  readonly timeNs: bigint
  readonly data: Uint8Array
  readonly originalLength: number
  readonly comments: readonly string[]
}

const NO_COMMENTS: readonly string[] = []

const noInterface = (id: number, count: number): string =>
  `packet of interface ${id}, but the section has described ${count} so far`

/** What is wrong with a packet block of `length` bytes, judged by its fixed part alone; null if nothing. */
export const packetProblem = (queue: ByteQueue, length: number, le: boolean): string | null => {
  const captured = queue.u32(EPB.captured, le)
  const room = length - EPB.data - TRAILER_BYTES
  return captured > room
    ? `captured length ${captured} does not fit in its block, which has room for ${room}`
    : null
}

const readComments = (area: Uint8Array, le: boolean): readonly string[] | string => {
  const comments: string[] = []
  const problem = readOptions(area, le, (code, value) => {
    if (code === OPTION.comment) comments.push(textOf(value))
  })
  return problem ?? comments
}

export const readPacket = (
  queue: ByteQueue,
  length: number,
  le: boolean,
  interfaces: readonly CaptureInterface[],
  obsolete: boolean,
): PacketBody | string => {
  const id = obsolete ? queue.u16(EPB.interface, le) : queue.u32(EPB.interface, le)
  const on = interfaces[id]
  if (on === undefined) return noInterface(id, interfaces.length)
  const problem = packetProblem(queue, length, le)
  if (problem !== null) return problem
  const captured = queue.u32(EPB.captured, le)
  const optionsAt = EPB.data + padded(captured)
  const optionsLength = length - optionsAt - TRAILER_BYTES
  const comments = optionsLength > 0 ? readComments(queue.bytes(optionsAt, optionsLength), le) : NO_COMMENTS
  if (typeof comments === 'string') return comments
  return {
    interface: on,
    timeNs: on.clock(queue.u32(EPB.timeHigh, le), queue.u32(EPB.timeLow, le)),
    data: queue.bytes(EPB.data, captured),
    originalLength: Math.max(queue.u32(EPB.original, le), captured),
    comments,
  }
}

const SPB = { original: 8, data: 12 } as const

export const readSimplePacket = (
  queue: ByteQueue,
  length: number,
  le: boolean,
  interfaces: readonly CaptureInterface[],
): PacketBody | string => {
  const on = interfaces[0]
  if (on === undefined) return noInterface(0, 0)
  const originalLength = queue.u32(SPB.original, le)
  // The block does not say how much was captured: as much as the interface's snapshot length let through.
  const captured = on.snapLength === 0 ? originalLength : Math.min(originalLength, on.snapLength)
  const room = length - SPB.data - TRAILER_BYTES
  if (captured > room)
    return `captured length ${captured} does not fit in its block, which has room for ${room}`
  const data = queue.bytes(SPB.data, captured)
  return { interface: on, timeNs: 0n, data, originalLength, comments: NO_COMMENTS }
}
