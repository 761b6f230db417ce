/**
 * Any recording as one pcapng file: packets as they are (packets.ts), gogetway's frames as conversations (pcapng.ts), each in sections of
 * its own, in the order of the files.
 */

import type { CaptureRecord } from '../codec/capture.js'
import type { ConversationEvent } from '../conversation.js'
import type { RecordingEncoder } from './encoder.js'
import { PacketEncoder } from './packets.js'
import { createPcapngEncoder } from './pcapng.js'

/**
 * @param application who writes it, e.g. `tidegate 0.1.0`; packets keep who wrote them.
 * @param framesName a name for the frames, no other recording's: files of packets may lie between them.
 */
export const createMergeEncoder = (application: string, framesName: string): RecordingEncoder => {
  const packets = new PacketEncoder()
  const frames = createPcapngEncoder(application, framesName)
  /** What the section that is being written has. */
  let writes: 'nothing' | 'packets' | 'frames' = 'nothing'
  /** The events that come are of a frame; others are of packets, which are written already. */
  let isFrame = false

  const see = (record: CaptureRecord): void => {
    isFrame = record.kind === 'frame'
    if (record.kind === 'damage' || isFrame) return
    if (writes === 'frames') packets.leave()
    writes = 'packets'
    packets.see(record)
  }

  function* push(event: ConversationEvent): Generator<Uint8Array> {
    if (!isFrame) return
    if (writes !== 'frames') yield* frames.start()
    writes = 'frames'
    yield* frames.push(event)
  }

  function* settle(): Generator<Uint8Array> {
    isFrame = false
    const taken = packets.take()
    if (taken.length > 0) yield taken
  }

  return { start: () => [], see, push, settle }
}
