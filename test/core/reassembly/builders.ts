/** Packets of TCP connections, built by hand, and their events in a form that reads well. */

import type { PacketRecord } from '../../../src/core/codec/capture.js'
import { LINK_TYPE } from '../../../src/core/codec/link-types.js'
import type { ConversationEvent, ConversationReader } from '../../../src/core/conversation.js'
import { ascii, concat, Numbers } from '../codec/builders.js'

const big = new Numbers('big')

export interface TcpFields {
  readonly from?: readonly [address: readonly number[], port: number]
  readonly to?: readonly [address: readonly number[], port: number]
  /** `S`, `A`, `F`, `R` in any combination. */
  readonly flags?: string
  readonly seq: number
  readonly ack?: number
  readonly data?: string | Uint8Array
}

export const CLIENT = [[10, 0, 0, 1], 40_000] as const
export const SERVER = [[10, 0, 0, 2], 80] as const

const flagBits = (flags: string): number =>
  [...flags].reduce((bits, flag) => bits | ({ F: 1, S: 2, R: 4, A: 16 }[flag] ?? 0), 0)

const tcp = ({ from = CLIENT, to = SERVER, flags = 'A', seq, ack = 0, data = '' }: TcpFields): Uint8Array =>
  concat(
    big.u16(from[1]),
    big.u16(to[1]),
    big.u32(seq >>> 0),
    big.u32(ack >>> 0),
    Uint8Array.of(0x50, flagBits(flags), 0xff, 0xff, 0, 0, 0, 0),
    typeof data === 'string' ? ascii(data) : data,
  )

/** An IPv4 or IPv6 packet, by the length of the addresses. */
export const ip = (
  fields: TcpFields,
  options: Uint8Array = new Uint8Array(0),
  fragment = 0x4000,
): Uint8Array => {
  const { from = CLIENT, to = SERVER } = fields
  const segment = tcp(fields)
  const addresses = Uint8Array.from([...from[0], ...to[0]])
  if (from[0].length === 16)
    return concat(big.u32(0x60000000), big.u16(segment.length), Uint8Array.of(6, 64), addresses, segment)
  const head = 20 + options.length
  return concat(
    Uint8Array.of(0x40 | (head / 4), 0),
    big.u16(head + segment.length),
    big.u16(1),
    big.u16(fragment),
    Uint8Array.of(64, 6, 0, 0),
    addresses,
    options,
    segment,
  )
}

let clock = 0n

export const packetOf = (data: Uint8Array, change: Partial<PacketRecord> = {}): PacketRecord => {
  clock += 1n
  return {
    kind: 'packet',
    offset: 0,
    timeNs: clock,
    interfaceIndex: 0,
    linkType: LINK_TYPE.raw,
    data,
    originalLength: data.length,
    comments: [],
    ...change,
  }
}

export const packet = (fields: TcpFields, ...comments: readonly string[]): PacketRecord =>
  packetOf(ip(fields), { comments })

/** From the client, from the server. */
export const up = (fields: TcpFields, ...comments: readonly string[]): PacketRecord =>
  packet(fields, ...comments)
export const down = (fields: TcpFields, ...comments: readonly string[]): PacketRecord =>
  packet({ from: SERVER, to: CLIENT, ...fields }, ...comments)

/** SYN, SYN-ACK, ACK: the client's first byte is number 101, the server's 501. */
export const handshake = (...comments: readonly string[]): readonly PacketRecord[] => [
  up({ flags: 'S', seq: 100 }, ...comments),
  down({ flags: 'SA', seq: 500, ack: 101 }),
  up({ seq: 101, ack: 501 }),
]

const textOf = (event: ConversationEvent): string => {
  const of = `${event.connection}`
  switch (event.kind) {
    case 'open':
      return `${of} open ${event.client} > ${event.server}${event.fromStart ? '' : ' midway'}${event.continues ? ` at ${event.continues.upstream}/${event.continues.downstream}` : ''}${event.listener ? ` on ${event.listener}` : ''}`
    case 'data':
      return `${of} ${event.direction} ${event.at}: ${new TextDecoder().decode(event.bytes)}`
    case 'gap':
      return `${of} ${event.direction} ${event.at}: ${event.cut ? 'cut' : 'gap'} of ${event.length}${event.why === undefined ? '' : ` (${event.why})`}`
    case 'fin':
      return `${of} ${event.direction} fin`
    case 'continue':
      return `${of} continues at ${event.upstream}/${event.downstream}`
    case 'close':
      return `${of} close ${event.how}${event.annotation === null ? '' : ` ${event.annotation.reason}`}`
  }
}

/** The events of these packets, one line each; those of `end` only where asked for. */
export const tell = (
  reader: ConversationReader,
  packets: readonly PacketRecord[],
  { ended = true }: { ended?: boolean } = {},
): string[] => {
  const lines: string[] = []
  for (const one of packets) for (const event of reader.push(one)) lines.push(textOf(event))
  if (ended) for (const event of reader.end()) lines.push(textOf(event))
  return lines
}
