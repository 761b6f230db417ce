/** Capture files built byte by byte, in either byte order, right or wrong as a test wants them. */

import type { CaptureReader, CaptureRecord } from '../../../src/core/codec/capture.js'

export const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const pad = (part: Uint8Array): Uint8Array => concat(part, new Uint8Array((4 - (part.length % 4)) % 4))

export class Numbers {
  readonly #littleEndian: boolean
  constructor(order: 'little' | 'big') {
    this.#littleEndian = order === 'little'
  }
  u16(value: number): Uint8Array {
    const out = new Uint8Array(2)
    new DataView(out.buffer).setUint16(0, value, this.#littleEndian)
    return out
  }
  u32(value: number): Uint8Array {
    const out = new Uint8Array(4)
    new DataView(out.buffer).setUint32(0, value, this.#littleEndian)
    return out
  }
  i64(value: bigint): Uint8Array {
    const out = new Uint8Array(8)
    new DataView(out.buffer).setBigInt64(0, value, this.#littleEndian)
    return out
  }
}

export type Option = readonly [code: number, value: Uint8Array]

/** The blocks of a pcapng file in one byte order. */
export class Pcapng extends Numbers {
  block(type: number, body: Uint8Array, lengths: { leading?: number; trailing?: number } = {}): Uint8Array {
    const length = body.length + 12
    return concat(
      this.u32(type),
      this.u32(lengths.leading ?? length),
      body,
      this.u32(lengths.trailing ?? length),
    )
  }
  options(options: readonly Option[]): Uint8Array {
    if (options.length === 0) return new Uint8Array(0)
    const parts = options.map(([code, value]) => concat(this.u16(code), this.u16(value.length), pad(value)))
    return concat(...parts, this.u32(0))
  }
  section(options: readonly Option[] = [], length = -1n): Uint8Array {
    const head = concat(this.u32(0x1a2b3c4d), this.u16(1), this.u16(0), this.i64(length))
    return this.block(0x0a0d0d0a, concat(head, this.options(options)))
  }
  interface(linkType: number, options: readonly Option[] = [], snapLength = 0): Uint8Array {
    const head = concat(this.u16(linkType), this.u16(0), this.u32(snapLength))
    return this.block(1, concat(head, this.options(options)))
  }
  /** `ticks` in the interface's unit. */
  packet(
    id: number,
    ticks: bigint,
    data: Uint8Array,
    options: readonly Option[] = [],
    lengths: { captured?: number; original?: number } = {},
  ): Uint8Array {
    return this.block(6, concat(this.u32(id), this.#packetBody(ticks, data, options, lengths)))
  }
  obsoletePacket(id: number, ticks: bigint, data: Uint8Array): Uint8Array {
    return this.block(2, concat(this.u16(id), this.u16(7), this.#packetBody(ticks, data, [], {})))
  }
  simplePacket(originalLength: number, data: Uint8Array): Uint8Array {
    return this.block(3, concat(this.u32(originalLength), pad(data)))
  }
  #packetBody(
    ticks: bigint,
    data: Uint8Array,
    options: readonly Option[],
    { captured = data.length, original = data.length }: { captured?: number; original?: number },
  ): Uint8Array {
    return concat(
      this.u32(Number((ticks >> 32n) & 0xffffffffn)),
      this.u32(Number(ticks & 0xffffffffn)),
      this.u32(captured),
      this.u32(original),
      pad(data),
      this.options(options),
    )
  }
}

export class Pcap extends Numbers {
  header(linkType: number, magic = 0xa1b2c3d4, major = 2): Uint8Array {
    return concat(
      this.u32(magic),
      this.u16(major),
      this.u16(4),
      this.u32(0),
      this.u32(0),
      this.u32(96),
      this.u32(linkType),
    )
  }
  packet(seconds: number, fraction: number, data: Uint8Array, original = data.length): Uint8Array {
    return concat(this.u32(seconds), this.u32(fraction), this.u32(data.length), this.u32(original), data)
  }
}

/** A record as it can be kept: its bytes are copied, since they are only valid until the next one. */
export const kept = (record: CaptureRecord): CaptureRecord => {
  if (record.kind === 'packet') return { ...record, data: new Uint8Array(record.data) }
  if (record.kind === 'frame') return { ...record, body: new Uint8Array(record.body) }
  return record
}

/** Feeds a file in chunks of these sizes, in turn; each chunk is overwritten afterwards, as a source that reuses its buffer does. */
export const readAll = (
  reader: CaptureReader,
  file: Uint8Array,
  sizes: readonly number[] = [file.length],
): CaptureRecord[] => {
  const records: CaptureRecord[] = []
  for (let at = 0, turn = 0; at < file.length; turn += 1) {
    const chunk = file.slice(at, at + Math.max(1, sizes[turn % sizes.length] ?? 1))
    for (const record of reader.push(chunk)) records.push(kept(record))
    at += chunk.length
    chunk.fill(0xee)
  }
  for (const record of reader.end()) records.push(kept(record))
  return records
}
