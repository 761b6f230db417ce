/**
 * Recordings as a library: read them, convert them, check them.
 *
 * @example
 * import { openRecording } from 'tidegate/recording'
 *
 * const recording = await openRecording('redis.pcapng')
 * for await (const event of recording.events())
 *   if (event.kind === 'data') console.log(event.connection, event.direction, event.bytes.length)
 * if (recording.damage !== null) console.error(recording.damage.message)
 */

export { CLOSE_REASONS, type CloseReason } from './core/close-reason.js'
export {
  type CaptureFormat,
  type CaptureReader,
  type CaptureRecord,
  type DamageRecord,
  type FrameRecord,
  type InterfaceRecord,
  MAX_RECORD_BYTES,
  type PacketRecord,
  type SectionRecord,
} from './core/codec/capture.js'
export { createCaptureReader, DETECT_BYTES, detectFormat } from './core/codec/detect.js'
export { encodeGogetwayFrame, FRAME_TYPE, type Frame } from './core/codec/gogetway/frame.js'
export { createGogetwayReader } from './core/codec/gogetway/reader.js'
export { createPcapReader } from './core/codec/pcap/reader.js'
export { createPcapngReader } from './core/codec/pcapng/reader.js'
export type {
  CloseEvent,
  ContinueEvent,
  ConversationEvent,
  ConversationReader,
  DataEvent,
  FinEvent,
  GapEvent,
  OpenEvent,
} from './core/conversation.js'
export type { ConversationEncoder, RecordingEncoder } from './core/convert/encoder.js'
export { createGogetwayEncoder } from './core/convert/gogetway.js'
export { createJsonLinesEncoder } from './core/convert/jsonl.js'
export { createMergeEncoder } from './core/convert/merge.js'
export { createPcapngEncoder } from './core/convert/pcapng.js'
export type { Direction, PerDirection } from './core/direction.js'
export type { CorruptFinding } from './core/inspect/checksums.js'
export {
  type ConnectionEnd,
  type ConnectionSummary,
  type ConnectionTable,
  type ConnectionTotals,
  createConnectionTable,
} from './core/inspect/connections.js'
export type { Extent } from './core/inspect/extent.js'
export { type ConnectionJson, connectionJson, type EventJson, eventJson } from './core/inspect/json.js'
export {
  createVerifier,
  type Finding,
  type HoleFinding,
  type MismatchFinding,
  type UnfinishedFinding,
  type Verifier,
  type VerifyTotals,
} from './core/inspect/verify.js'
export { createFrameConversations } from './core/reassembly/frames.js'
export { createPacketConversations } from './core/reassembly/packets.js'
export {
  type Annotation,
  type CloseAnnotation,
  decodeAnnotation,
  encodeAnnotation,
  type GapAnnotation,
  type LedgerEntry,
  type LostRange,
  type OpenAnnotation,
  type Position,
} from './core/record/annotation.js'
export { type ErrorCode, type ErrorDetails, type Fault, TidegateError } from './errors.js'
export type { FileDamage } from './sources/file/capture.js'
export {
  type OpenOptions,
  openRecording,
  type RecordingFile,
  type RecordObserver,
} from './sources/file/recording.js'
