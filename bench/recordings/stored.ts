/**
 * How many bytes of what connections said are in a recording, whoever made it. Only heads are read: a recording may have gigabytes.
 *
 * - record: what a file is a row of: a block (pcapng), a packet (pcap), a frame (gogetway)
 * - payload: the bytes of the connection in it
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

export type RecordingFormat = 'gogetway' | 'pcap' | 'pcapng'

interface Found {
  readonly length: number
  readonly payload: number
}

/** Of the head of a record, as much of it as is in the file; null: it is not whole. @throws if it is not one. */
type ReadHead = (head: Buffer) => Found | null

/** More than any head here, with addresses and IP and TCP options. */
const HEAD_BYTES = 256

/** IP and TCP headers of a packet; null: not whole. */
const headersOf = (packet: Buffer): number | null => {
  if (packet.length < 40) return null
  const ip = packet.readUInt8(0) >> 4 === 6 ? 40 : (packet.readUInt8(0) & 15) * 4
  return packet.length < ip + 20 ? null : ip + (packet.readUInt8(ip + 12) >> 4) * 4
}

const packetFound = (packet: Buffer, captured: number, length: number): Found | null => {
  const headers = headersOf(packet)
  return headers === null ? null : { length, payload: Math.max(0, captured - headers) }
}

/** The largest block is far more than any packet: what says that it is larger is something else. */
const PCAPNG = { enhancedPacket: 6, smallest: 12, largest: 2 ** 24, captured: 20, packet: 28 } as const

const readBlock: ReadHead = (head) => {
  if (head.length < PCAPNG.smallest) return null
  const length = head.readUInt32LE(4)
  if (length < PCAPNG.smallest || length > PCAPNG.largest || length % 4 !== 0)
    throw new Error('a recording is no little-endian pcapng')
  if (head.readUInt32LE(0) !== PCAPNG.enhancedPacket) return { length, payload: 0 }
  if (head.length < PCAPNG.packet) return null
  return packetFound(head.subarray(PCAPNG.packet), head.readUInt32LE(PCAPNG.captured), length)
}

const PCAP_MAGIC: ReadonlySet<number> = new Set([0xa1b2c3d4, 0xa1b23c4d])
const PCAP = { fileHead: 24, head: 16, captured: 8 } as const
const ETHERNET_HEAD = 14

const readPacket: ReadHead = (head) => {
  if (head.length < PCAP.head) return null
  // No packet has such a time: it is the file's own head.
  if (PCAP_MAGIC.has(head.readUInt32LE(0))) return { length: PCAP.fileHead, payload: 0 }
  const captured = head.readUInt32LE(PCAP.captured)
  const packet = head.subarray(PCAP.head + ETHERNET_HEAD)
  return packetFound(packet, captured - ETHERNET_HEAD, PCAP.head + captured)
}

/** Then time (8), type (1), length (8), `FROM...TO`, a line feed, and as many bytes as the length says. */
const GOGETWAY_MAGIC = Buffer.from('--benbens--\nt')
const GOGETWAY = { length: GOGETWAY_MAGIC.length + 9, names: GOGETWAY_MAGIC.length + 17 } as const

const readFrame: ReadHead = (head) => {
  if (head.length < GOGETWAY.names) return null
  if (!head.subarray(0, GOGETWAY_MAGIC.length).equals(GOGETWAY_MAGIC))
    throw new Error('a recording has something that is no frame of gogetway')
  const payload = Number(head.readBigUInt64LE(GOGETWAY.length))
  const end = head.indexOf('\n', GOGETWAY.names)
  return end < 0 ? null : { length: end + 1 + payload, payload }
}

const READ_HEAD: Readonly<Record<RecordingFormat, ReadHead>> = {
  gogetway: readFrame,
  pcap: readPacket,
  pcapng: readBlock,
}

export interface Stored {
  readonly bytes: number
  /** Where the first record begins that is not whole. */
  readonly end: number
}

/** Counts the payload of whole records from `start` on, where one must begin. @throws if the file is not there, or not such a file */
export const storedIn = (path: string, format: RecordingFormat, start = 0): Stored => {
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    const head = Buffer.alloc(HEAD_BYTES)
    let [bytes, end] = [0, start]
    while (end < size) {
      const found = READ_HEAD[format](head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, end)))
      if (found === null || end + found.length > size) break
      bytes += found.payload
      end += found.length
    }
    return { bytes, end }
  } finally {
    closeSync(fd)
  }
}
