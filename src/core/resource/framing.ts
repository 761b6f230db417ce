/**
 * How what a recorder writes becomes the frames that a resource takes.
 *
 * - gogetway: one frame for each packet with data
 * - pcapng: one for each packet, as the block that it is. Put together behind the section's start, they are a recording
 */

import { dataViewOf } from '../bytes.js'
import { encodeGogetwayFrame, FRAME_TYPE } from '../codec/gogetway/frame.js'
import { EPB } from '../codec/pcapng/blocks.js'
import { encodeText, endPacket, packetBlockLength } from '../codec/pcapng/writer.js'
import { frameName, frameTime } from '../convert/gogetway.js'
import type { PerDirection } from '../direction.js'
import { ANNOTATION_PREFIX, decodeAnnotation, encodeAnnotation } from '../record/annotation.js'
import { type PacketBlock, packetBlocks } from '../record/packet-blocks.js'
import type { WriteContext } from './write-function.js'

export type FrameFormat = 'gogetway' | 'pcapng'

export const gogetwayFrame = (body: Uint8Array, timeNs: bigint, { fromIp, toIp }: WriteContext): Uint8Array =>
  encodeGogetwayFrame({ timeNs: frameTime(timeNs), type: FRAME_TYPE.tcp, from: fromIp, to: toIp, body })

const contextOf = (fromIp: string, toIp: string): WriteContext => ({
  listenType: FRAME_TYPE.tcp,
  fromIp,
  toIp,
  fromTo: `${fromIp}...${toIp}`,
})

/** The ends are written as frames can have them: `...` in the path of a unix socket is percent-encoded. */
export const contextsOf = (client: string, server: string): PerDirection<WriteContext> => {
  const [from, to] = [frameName(client), frameName(server)]
  return { upstream: contextOf(from, to), downstream: contextOf(to, from) }
}

const named = (comment: string, listener: string): string => {
  if (!comment.startsWith(`${ANNOTATION_PREFIX}open `)) return comment
  const open = decodeAnnotation(comment)
  return open?.kind === 'open' ? encodeAnnotation({ ...open, listener }) : comment
}

const renamed = (block: PacketBlock, comments: readonly string[], listener: string): Uint8Array => {
  const encoded = comments.map((comment) => encodeText(named(comment, listener)))
  const { length } = block.data
  const bytes = new Uint8Array(packetBlockLength(length, encoded))
  bytes.set(block.whole.subarray(0, EPB.data + length))
  endPacket(dataViewOf(bytes), 0, length, encoded)
  return bytes
}

/** A copy of a packet's block, as of this interface, whose `open` annotation names this listener. */
export const packetFrame = (whole: Uint8Array, listener: string, interfaceIndex: number): Uint8Array => {
  let frame: Uint8Array | null = null
  for (const block of packetBlocks(whole)) {
    const { comments } = block
    frame = comments.length === 0 ? whole.slice() : renamed(block, comments, listener)
  }
  const bytes = frame ?? whole.slice()
  dataViewOf(bytes).setUint32(EPB.interface, interfaceIndex, true)
  return bytes
}
