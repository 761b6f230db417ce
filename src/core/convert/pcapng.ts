/**
 * gogetway's frames as pcapng, by the same recorder that writes the gateway's own recordings: a synthetic TCP
 * conversation for each pair of ends. Frames know no end, so neither do the conversations.
 *
 * The recorder counts time in milliseconds, exact to 0.25 µs. Each event is therefore taken out by itself, and its
 * nanoseconds are put into its packets.
 */

import { LINK_TYPE } from '../codec/link-types.js'
import { BLOCK_TYPE } from '../codec/pcapng/blocks.js'
import { encodeSectionStart, setPacketTime } from '../codec/pcapng/writer.js'
import type { ConversationEvent, DataEvent, OpenEvent } from '../conversation.js'
import { MAX_FOLLOWED } from '../inspect/connections.js'
import { RecentTable } from '../reassembly/recent-table.js'
import { encodeRecordingComment } from '../record/annotation.js'
import { Recorder, type RecorderHost } from '../record/recorder.js'
import type { ConnectionTrack } from '../record/track.js'
import { type ConversationEncoder, forgotten, NOTHING } from './encoder.js'
import { endAddress } from './end-address.js'

const INTERFACE = {
  linkType: LINK_TYPE.raw,
  name: 'gogetway',
  description: 'converted from a gogetway recording; handshakes are synthetic',
} as const

/** What the bodies of one event may take: the largest is 16 MiB, and everything is taken out before the next. */
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024

/** Nothing is live here: whatever is wanted of the world is not needed. */
const HOST: RecorderHost = {
  holdAll: () => {},
  releaseAll: () => {},
  hold: () => {},
  disconnect: () => {},
  report: () => {},
}

const LENGTH_AT = 4

/** Sets the time of each packet block in `blocks` (draft-ietf-opsawg-pcapng, section 4.3). */
const stamp = (blocks: Uint8Array, timeNs: bigint): void => {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength)
  for (let at = 0; at < blocks.length; at += view.getUint32(at + LENGTH_AT, true))
    if (view.getUint32(at, true) === BLOCK_TYPE.enhancedPacket) setPacketTime(view, at, timeNs)
}

/**
 * For events of gogetway recordings: opens and data.
 * @param application who writes it, e.g. `tidegate 0.1.0`.
 * @param recording a name for what is written, no other recording's: where it lies in several sections, its conversations go on
 *   from one into the next.
 */
export const createPcapngEncoder = (application: string, recording?: string): ConversationEncoder => {
  const comments = recording === undefined ? [] : [encodeRecordingComment(recording)]
  const recorder = new Recorder(
    {
      interfaces: new Map(),
      overload: 'block',
      onFailure: 'continue',
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      // The same frames give the same file.
      sequenceSalt: 0,
      tuples: null,
    },
    HOST,
  )
  const connections = new RecentTable<ConnectionTrack>(MAX_FOLLOWED)

  const open = ({ connection, client, server }: OpenEvent): void => {
    const spec = {
      id: connection,
      listener: INTERFACE.name,
      client: endAddress(client),
      server: endAddress(server),
    }
    connections.add(String(connection), recorder.open(spec, 0))
  }

  const data = ({ connection, direction, bytes }: DataEvent): void => {
    const track = connections.use(String(connection))
    if (track === undefined) throw forgotten(connection)
    recorder.data(track, bytes, direction, 0)
  }

  function* taken(timeNs: bigint): Generator<Uint8Array> {
    for (let slab = recorder.take(true); slab !== null; slab = recorder.take(true)) {
      const blocks = slab.contents
      stamp(blocks, timeNs)
      yield blocks
      recorder.settle(null, 0)
    }
  }

  return {
    start: () => [encodeSectionStart(application, [INTERFACE], ...comments)],
    push: (event: ConversationEvent) => {
      if (event.kind === 'open') open(event)
      else if (event.kind === 'data') data(event)
      else return NOTHING
      return taken(event.timeNs)
    },
  }
}
