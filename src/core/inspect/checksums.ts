/**
 * Finds bytes that were changed inside a recording, by the checksums and constants that Tidegate's packets carry.
 *
 * - ours: a section whose header names Tidegate as its writer. Only there are checksums worth a look: captures on a sending
 *   machine have wrong ones where the network card fills them in, and other tools cut packets short
 * - corrupt: a packet of ours that is not as Tidegate writes it, byte by byte (record/tcp-packet.ts), or a note of ours
 *   (record/annotation.ts) that does not read as one
 *
 * What it cannot find: changes outside of packets and notes, changes to a note's values, and changes made by somebody
 * who puts the checksums right again. A checksum is no signature; one in 65,536 random changes has the same.
 */

import { u16be, u32be } from '../bytes.js'
import { ALL_ONES, fold, sumWords } from '../checksum.js'
import type { CaptureRecord, PacketRecord } from '../codec/capture.js'
import { LINK_TYPE } from '../codec/link-types.js'
import { endText } from '../ip-text.js'
import { ANNOTATION_PREFIX, decodeAnnotation } from '../record/annotation.js'
import { HEADER_BYTES, HOP_LIMIT, IPV4_START, IPV6_START, PROTOCOL_TCP } from '../record/tcp-packet.js'

export interface CorruptFinding {
  readonly kind: 'corrupt'
  /** Where the packet's block starts in the file. */
  readonly offset: number
  /** The packet's ends as it has them now, in address notation; null if its IP header cannot be read. */
  readonly source: string | null
  readonly destination: string | null
  /** One line that goes on from "packet at byte N:". */
  readonly message: string
}

const isOurs = (application: string | undefined): boolean => application?.startsWith('tidegate ') ?? false

const TCP_MIN_BYTES = 20
const IPV4 = { length: 2, protocol: 9, source: 12, destination: 16, addressBytes: 8 } as const
const IPV6 = { length: 4, next: 6, hopLimit: 7, source: 8, destination: 24, addressBytes: 32 } as const

/** The longest packet there can be: IPv6's length field does not count its header. Rounded up to whole words. */
const MAX_PACKET_BYTES = HEADER_BYTES[6] + 0xffff + 1

const NOTE_UNREADABLE = 'its note cannot be read'
const HEADER_UNKNOWN = 'its IP header is not one that Tidegate writes'

const lengthProblem = (claimed: number, found: number): string =>
  `its IP header claims ${claimed} bytes, the file has ${found}`

/** Sums packets where they lie; those that do not start at a whole word of their buffer are copied first. No allocation per packet. */
class Summer {
  readonly #copy = new Uint8Array(MAX_PACKET_BYTES)
  readonly #copyWords = new Uint32Array(this.#copy.buffer)
  /** Over the buffer that the last packets were in: a reader has the same one for many. */
  #words: Uint32Array = this.#copyWords
  #data: Uint8Array = this.#copy
  #start = 0
  #wordsInUse: Uint32Array = this.#copyWords

  /** Later sums are of this packet, of at most {@link MAX_PACKET_BYTES}. */
  load(data: Uint8Array): void {
    this.#data = data
    if ((data.byteOffset & 3) !== 0) {
      this.#copy.set(data)
      this.#wordsInUse = this.#copyWords
      this.#start = 0
      return
    }
    if (this.#words.buffer !== data.buffer)
      this.#words = new Uint32Array(data.buffer, 0, data.buffer.byteLength >>> 2)
    this.#wordsInUse = this.#words
    this.#start = data.byteOffset
  }

  /** `at` and `length` are multiples of 4. */
  words(at: number, length: number): number {
    return sumWords(this.#wordsInUse, this.#start + at, length)
  }

  /** From `at`, a multiple of 4, to the packet's end, as if a zero byte made it even. */
  rest(at: number): number {
    const whole = (this.#data.length - at) & ~3
    const tail = at + whole
    return this.words(at, whole) + u16be(this.#data, tail) + u16be(this.#data, tail + 2)
  }
}

class CorruptionFinder {
  #ours = false
  readonly #summer = new Summer()

  push(record: CaptureRecord): CorruptFinding | null {
    if (record.kind === 'section') this.#ours = isOurs(record.application)
    if (!this.#ours || record.kind !== 'packet') return null
    const problem = this.#packetProblem(record)
    if (record.comments.every(isReadable)) return problem === null ? null : corrupt(record, problem)
    return corrupt(record, problem === null ? NOTE_UNREADABLE : `${problem}; ${NOTE_UNREADABLE}`)
  }

  #packetProblem({ data, linkType, originalLength }: PacketRecord): string | null {
    if (linkType !== LINK_TYPE.raw) return `it has link type ${linkType}, expected ${LINK_TYPE.raw}`
    if (originalLength !== data.length)
      return `it has ${data.length} of ${originalLength} bytes, expected all of them`
    if (data[0] === IPV4_START) return this.#ipv4Problem(data)
    return u32be(data, 0) === IPV6_START ? this.#ipv6Problem(data) : HEADER_UNKNOWN
  }

  #ipv4Problem(data: Uint8Array): string | null {
    const tcpAt = HEADER_BYTES[4]
    if (data.length < tcpAt + TCP_MIN_BYTES || data[IPV4.protocol] !== PROTOCOL_TCP) return HEADER_UNKNOWN
    const total = u16be(data, IPV4.length)
    if (total !== data.length) return lengthProblem(total, data.length)
    this.#summer.load(data)
    if (this.#summer.words(0, tcpAt) !== ALL_ONES) return 'its IP checksum does not match its bytes'
    return this.#tcpProblem(tcpAt, data.length, IPV4.source, IPV4.addressBytes)
  }

  #ipv6Problem(data: Uint8Array): string | null {
    const tcpAt = HEADER_BYTES[6]
    if (data.length < tcpAt + TCP_MIN_BYTES) return HEADER_UNKNOWN
    // This header has no checksum: what TCP's does not cover is always the same.
    if (data[IPV6.next] !== PROTOCOL_TCP || data[IPV6.hopLimit] !== HOP_LIMIT) return HEADER_UNKNOWN
    const total = tcpAt + u16be(data, IPV6.length)
    if (total !== data.length) return lengthProblem(total, data.length)
    this.#summer.load(data)
    return this.#tcpProblem(tcpAt, data.length, IPV6.source, IPV6.addressBytes)
  }

  /** TCP's checksum also covers a pseudo-header: addresses, protocol and length (RFC 9293, 3.1). */
  #tcpProblem(tcpAt: number, length: number, addressesAt: number, addressBytes: number): string | null {
    const pseudo = this.#summer.words(addressesAt, addressBytes) + PROTOCOL_TCP + length - tcpAt
    return fold(pseudo + this.#summer.rest(tcpAt)) === ALL_ONES
      ? null
      : 'its checksum does not match its bytes'
  }
}

const isReadable = (comment: string): boolean =>
  !comment.startsWith(ANNOTATION_PREFIX) || decodeAnnotation(comment) !== null

const corrupt = ({ offset, data }: PacketRecord, message: string): CorruptFinding => ({
  kind: 'corrupt',
  offset,
  ...endsOf(data),
  message,
})

const endsOf = (data: Uint8Array): Pick<CorruptFinding, 'source' | 'destination'> => {
  const version = (data[0] ?? 0) >> 4
  if (version !== 4 && version !== 6) return { source: null, destination: null }
  const tcpAt = HEADER_BYTES[version]
  if (data.length < tcpAt + TCP_MIN_BYTES) return { source: null, destination: null }
  const { source, destination } = version === 4 ? IPV4 : IPV6
  return {
    source: endText(data, version, source, u16be(data, tcpAt)),
    destination: endText(data, version, destination, u16be(data, tcpAt + 2)),
  }
}

/** Takes a recording's records in file order; returns what is corrupt about this one, or null. Reads a record's bytes at once, keeps none. */
export const createCorruptionFinder = (): ((record: CaptureRecord) => CorruptFinding | null) => {
  const finder = new CorruptionFinder()
  return (record) => finder.push(record)
}
