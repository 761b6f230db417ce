/**
 * Writes pcapng blocks (grammar: blocks.ts), little-endian, into memory the caller owns. A packet costs no
 * allocation: {@link beginPacket}, the packet's own bytes, {@link endPacket}.
 */

import {
  BLOCK_TYPE,
  BYTE_ORDER_MAGIC,
  EPB,
  MAX_OPTION_BYTES,
  MIN_BLOCK_BYTES,
  OPTION,
  padded,
  VERSION,
} from './blocks.js'

export interface InterfaceSpec {
  readonly linkType: number
  readonly name: string
  readonly description: string
}

interface OptionValue {
  readonly code: number
  readonly value: Uint8Array
}

/** Code and length. */
const OPTION_HEAD_BYTES = 4
const END_OF_OPTIONS_BYTES = 4
/** The section's length is not known while it is being written (the draft's -1). */
const LENGTH_UNKNOWN = 0xffffffff
/** `if_tsresol`: 10^-9 s. */
const NANOSECONDS = 9

/** UTF-8, cut at a character's edge where it would not fit an option. */
export const encodeText = (text: string, maxBytes: number = MAX_OPTION_BYTES): Uint8Array => {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

const optionsLength = (options: readonly OptionValue[]): number =>
  options.length === 0
    ? 0
    : options.reduce((sum, { value }) => sum + OPTION_HEAD_BYTES + padded(value.length), END_OF_OPTIONS_BYTES)

const writeOption = (view: DataView, at: number, code: number, value: Uint8Array): number => {
  view.setUint16(at, code, true)
  view.setUint16(at + 2, value.length, true)
  const start = at + OPTION_HEAD_BYTES
  const bytes = new Uint8Array(view.buffer, view.byteOffset)
  bytes.set(value, start)
  const end = start + padded(value.length)
  bytes.fill(0, start + value.length, end)
  return end
}

/** A block of fixed fields and options; `writeFields` gets the offset after type and length. */
const block = (
  type: number,
  fixedLength: number,
  options: readonly OptionValue[],
  writeFields: (view: DataView, at: number) => void,
): Uint8Array => {
  const length = fixedLength + optionsLength(options)
  const view = new DataView(new ArrayBuffer(length))
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  writeFields(view, 8)
  let at = fixedLength - 4
  for (const { code, value } of options) at = writeOption(view, at, code, value)
  view.setUint32(length - 4, length, true)
  return new Uint8Array(view.buffer)
}

const textOption = (code: number, text: string, maxBytes?: number): readonly OptionValue[] =>
  text === '' ? [] : [{ code, value: encodeText(text, maxBytes) }]

const sectionHeader = (application: string, comments: readonly string[]): Uint8Array =>
  block(
    BLOCK_TYPE.sectionHeader,
    MIN_BLOCK_BYTES.sectionHeader,
    [
      ...comments.flatMap((comment) => textOption(OPTION.comment, comment)),
      ...textOption(OPTION.shbUserApplication, application),
    ],
    (view, at) => {
      view.setUint32(at, BYTE_ORDER_MAGIC, true)
      view.setUint16(at + 4, VERSION.major, true)
      view.setUint16(at + 6, VERSION.minor, true)
      view.setUint32(at + 8, LENGTH_UNKNOWN, true)
      view.setUint32(at + 12, LENGTH_UNKNOWN, true)
    },
  )

/** One more interface for a section, before its first packet; they count from 0. */
export const encodeInterface = ({ linkType, name, description }: InterfaceSpec): Uint8Array =>
  block(
    BLOCK_TYPE.interfaceDescription,
    MIN_BLOCK_BYTES.interfaceDescription,
    [
      ...textOption(OPTION.ifName, name, MAX_NAME_BYTES),
      ...textOption(OPTION.ifDescription, description, MAX_DESCRIPTION_BYTES),
      { code: OPTION.ifTsResolution, value: Uint8Array.of(NANOSECONDS) },
    ],
    (view, at) => {
      view.setUint16(at, linkType, true)
      view.setUint32(at + 4, 0, true)
    },
  )

/** Names are for people: longer than this is no name, and a thousand interfaces must still make a small header. */
export const MAX_NAME_BYTES = 255
export const MAX_DESCRIPTION_BYTES = 1023

/** A section's start: its header and its interfaces, which packets then refer to by index. */
export const encodeSectionStart = (
  application: string,
  interfaces: readonly InterfaceSpec[],
  ...comments: readonly string[]
): Uint8Array => {
  const blocks = [sectionHeader(application, comments), ...interfaces.map(encodeInterface)]
  const bytes = new Uint8Array(blocks.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of blocks) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export const NO_COMMENTS: readonly Uint8Array[] = []

/** How long {@link endPacket} will make the block. */
export const packetBlockLength = (dataLength: number, comments: readonly Uint8Array[]): number => {
  let length = MIN_BLOCK_BYTES.enhancedPacket + ((dataLength + 3) & ~3)
  if (comments.length === 0) return length
  for (const comment of comments) length += OPTION_HEAD_BYTES + padded(comment.length)
  return length + END_OF_OPTIONS_BYTES
}

const TWO_16 = 0x10000
const TWO_32 = 0x100000000
const NS_PER_MS = 1_000_000

/**
 * Milliseconds since 1970 (a float) as the two halves of nanoseconds. Their product needs 61 bits, so the
 * milliseconds are split at bit 16: each partial product and sum stays below 2^53 and is exact, without a
 * bigint per packet. What is lost was lost before: a double of today's milliseconds is exact to 0.25 µs.
 * Low bits are taken with `&` and `>>>`, which also do that to larger numbers, and much faster than `%`.
 */
const writeTimestamp = (view: DataView, at: number, timeMs: number): void => {
  const whole = Math.floor(timeMs)
  const wholeLow = whole & 0xffff
  const upper = ((whole - wholeLow) / TWO_16) * NS_PER_MS
  const upperLow = upper & 0xffff
  const lower = upperLow * TWO_16 + wholeLow * NS_PER_MS + Math.floor((timeMs - whole) * NS_PER_MS)
  const low = lower >>> 0
  view.setUint32(at, (upper - upperLow) / TWO_16 + (lower - low) / TWO_32, true)
  view.setUint32(at + 4, low, true)
}

/**
 * Writes an Enhanced Packet Block's fields at `at`; the packet's `dataLength` bytes belong at the offset returned.
 * `timeMs`: milliseconds since 1970, fractions welcome.
 */
export const beginPacket = (
  view: DataView,
  at: number,
  interfaceIndex: number,
  timeMs: number,
  dataLength: number,
): number => {
  view.setUint32(at, BLOCK_TYPE.enhancedPacket, true)
  view.setUint32(at + EPB.interface, interfaceIndex, true)
  writeTimestamp(view, at + EPB.timeHigh, timeMs)
  view.setUint32(at + EPB.captured, dataLength, true)
  view.setUint32(at + EPB.original, dataLength, true)
  return at + EPB.data
}

/** Gives the packet block at `at` a time that is exact. */
export const setPacketTime = (view: DataView, at: number, timeNs: bigint): void => {
  const time = BigInt.asUintN(64, timeNs)
  view.setUint32(at + EPB.timeHigh, Number(time >> 32n), true)
  view.setUint32(at + EPB.timeLow, Number(time & 0xffffffffn), true)
}

/** Of the packet block at `at`: its length on the wire, where the capture cut it. */
export const setOriginalLength = (view: DataView, at: number, length: number): void =>
  view.setUint32(at + EPB.original, length, true)

/** Completes the block begun at `at`: padding, comments, lengths. Returns where the next block goes. */
export const endPacket = (
  view: DataView,
  at: number,
  dataLength: number,
  comments: readonly Uint8Array[],
): number => {
  const dataEnd = at + EPB.data + dataLength
  let end = at + EPB.data + padded(dataLength)
  for (let pad = dataEnd; pad < end; pad++) view.setUint8(pad, 0)
  if (comments.length > 0) {
    for (const comment of comments) end = writeOption(view, end, OPTION.comment, comment)
    view.setUint32(end, OPTION.end, true)
    end += END_OF_OPTIONS_BYTES
  }
  const length = end + 4 - at
  view.setUint32(end, length, true)
  view.setUint32(at + 4, length, true)
  return end + 4
}
