/** PROXY headers put together by hand, right or wrong in the place that a test is about. */

import { crc32c } from '../../../../src/core/codec/proxy-protocol/crc32c.js'

export const V2_SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

export const u16 = (value: number): readonly number[] => [value >> 8, value & 0xff]

export const INET_BLOCK = [192, 0, 2, 7, 198, 51, 100, 9, ...u16(4711), ...u16(443)]

export const tlv = (type: number, value: readonly number[]): readonly number[] => [
  type,
  ...u16(value.length),
  ...value,
]

export interface V2Parts {
  readonly command?: number
  readonly family?: number
  readonly block?: readonly number[]
  readonly tlvs?: readonly number[]
  /** Default: the true one. */
  readonly length?: number
}

export const v2 = ({
  command = 0x21,
  family = 0x11,
  block = INET_BLOCK,
  tlvs = [],
  length = block.length + tlvs.length,
}: V2Parts = {}): Uint8Array =>
  Uint8Array.from([...V2_SIGNATURE, command, family, ...u16(length), ...block, ...tlvs])

/** `parts` with a checksum as its last TLV. */
export const withChecksum = (parts: V2Parts = {}): Uint8Array => {
  const bytes = v2({ ...parts, tlvs: [...(parts.tlvs ?? []), ...tlv(0x03, [0, 0, 0, 0])] })
  new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes))
  return bytes
}
