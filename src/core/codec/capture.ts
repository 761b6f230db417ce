/**
 * What every capture-file reader of this room yields, whatever the format.
 *
 * - record: one thing found in the file, in file order
 * - damage: bytes that do not follow the format; nothing after it can be trusted
 * - torn: damage that is only a file cut short (as by `kill -9` or a full disk)
 *
 * A reader is fed chunks of any size and yields the records that are complete; it reads no file and buffers at most one
 * record, bounded by {@link MAX_RECORD_BYTES}. The same bytes give the same records however they are split.
 */

/**
 * The longest block or frame that is buffered: 16 MiB, Wireshark's own limit for a pcapng block. Longer ones that need not be looked
 * into are skipped without buffering; longer ones that do are damage.
 */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024

/** A new section begins (pcapng; for pcap once, at the start). Interfaces before it are no longer referred to. */
export interface SectionRecord {
  readonly kind: 'section'
  readonly offset: number
  /** The program that wrote it, if it says so. */
  readonly application: string | undefined
  readonly comments: readonly string[]
}

export interface InterfaceRecord {
  readonly kind: 'interface'
  readonly offset: number
  /** Counted over the whole file from 0, across sections. */
  readonly index: number
  readonly linkType: number
  readonly name: string | undefined
  readonly description: string | undefined
}

export interface PacketRecord {
  readonly kind: 'packet'
  /** Where its block starts in the file. */
  readonly offset: number
  /** Nanoseconds since 1970; 0 where the format has none (Simple Packet Block). */
  readonly timeNs: bigint
  /** {@link InterfaceRecord.index} of the interface it was captured on. */
  readonly interfaceIndex: number
  readonly linkType: number
  /** The captured bytes. Valid only until the next record is asked for. */
  readonly data: Uint8Array
  /** Length on the wire; more than `data.length` when the capture cut it. */
  readonly originalLength: number
  readonly comments: readonly string[]
}

/** One frame of gogetway's format: payload already restored. */
export interface FrameRecord {
  readonly kind: 'frame'
  readonly offset: number
  readonly timeNs: bigint
  /** 1 TCP, 2 HTTP; others are passed through. */
  readonly type: number
  readonly from: string
  readonly to: string
  /** Valid only until the next record is asked for. */
  readonly body: Uint8Array
}

export interface DamageRecord {
  readonly kind: 'damage'
  /** First byte that does not follow the format, which is also where the last whole record ended. */
  readonly offset: number
  /** One line: what was found, what was expected. */
  readonly message: string
  /** The file just ends in the middle of a record; cutting it at `offset` makes it whole. */
  readonly torn: boolean
}

export type CaptureRecord = SectionRecord | InterfaceRecord | PacketRecord | FrameRecord | DamageRecord

export type CaptureFormat = 'pcapng' | 'pcap' | 'gogetway'

/** After a {@link DamageRecord} a reader yields nothing more. */
export interface CaptureReader {
  readonly format: CaptureFormat
  /** The next bytes of the file. The chunk is not kept: what is needed of it later is copied. */
  push(chunk: Uint8Array): Iterable<CaptureRecord>
  /** No more bytes: yields a torn {@link DamageRecord} if they stopped inside a record. */
  end(): Iterable<CaptureRecord>
}
