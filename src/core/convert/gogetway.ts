/**
 * Conversations as gogetway's frames: one for each chunk of data, from its sender to its receiver. The format knows
 * no connections, ends or gaps.
 */

import {
  ADDRESS_SEPARATOR,
  encodeGogetwayFrame,
  FRAME_TYPE,
  MAX_ADDRESSES_BYTES,
} from '../codec/gogetway/frame.js'
import type { ConversationEvent, DataEvent, OpenEvent } from '../conversation.js'
import { MAX_FOLLOWED } from '../inspect/connections.js'
import { RecentTable } from '../reassembly/recent-table.js'
import { type ConversationEncoder, forgotten, NOTHING } from './encoder.js'

interface Ends {
  readonly client: string
  readonly server: string
}

/** Half of what a frame has for both, without the separator; a character takes at most four bytes of UTF-8. */
const MAX_END_CHARACTERS = Math.floor((MAX_ADDRESSES_BYTES - ADDRESS_SEPARATOR.length) / 2 / 4)

/** What would end a name early is percent-encoded, as in a URL (RFC 3986): three dots, a last dot, a line feed. */
export const frameName = (name: string): string =>
  name
    .slice(0, MAX_END_CHARACTERS)
    .replaceAll('...', '%2E%2E%2E')
    .replace(/\.$/, '%2E')
    .replaceAll('\n', '%0A')

const MAX_TIME_NS = 2n ** 63n - 1n

/** Frames have 63 bits for the time: until the year 2262. Only a hostile file has a later one. */
export const frameTime = (timeNs: bigint): bigint => (timeNs > MAX_TIME_NS ? MAX_TIME_NS : timeNs)

export const createGogetwayEncoder = (): ConversationEncoder => {
  const connections = new RecentTable<Ends>(MAX_FOLLOWED)

  const open = ({ connection, client, server }: OpenEvent): readonly Uint8Array[] => {
    connections.add(String(connection), { client: frameName(client), server: frameName(server) })
    return NOTHING
  }

  const data = ({ connection, timeNs, direction, bytes }: DataEvent): readonly Uint8Array[] => {
    const ends = connections.use(String(connection))
    if (ends === undefined) throw forgotten(connection)
    const [from, to] = direction === 'upstream' ? [ends.client, ends.server] : [ends.server, ends.client]
    return [encodeGogetwayFrame({ timeNs: frameTime(timeNs), type: FRAME_TYPE.tcp, from, to, body: bytes })]
  }

  return {
    start: () => NOTHING,
    push: (event: ConversationEvent) => {
      if (event.kind === 'open') return open(event)
      if (event.kind === 'data') return data(event)
      if (event.kind === 'close') connections.delete(String(event.connection))
      return NOTHING
    },
  }
}
