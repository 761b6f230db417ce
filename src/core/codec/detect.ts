/** Tells the formats apart by how a file begins. */

import type { CaptureFormat, CaptureReader } from './capture.js'
import { FRAME_MAGIC } from './gogetway/frame.js'
import { createGogetwayReader } from './gogetway/reader.js'
import { createPcapReader } from './pcap/reader.js'
import { createPcapngReader } from './pcapng/reader.js'

/** The formats' first bytes; -1 stands for any byte (the length of pcapng's first block). */
const SIGNATURES: readonly { readonly format: CaptureFormat; readonly bytes: readonly number[] }[] = [
  {
    format: 'pcapng',
    bytes: [0x0a, 0x0d, 0x0d, 0x0a, -1, -1, -1, -1, 0x4d, 0x3c, 0x2b, 0x1a],
  },
  {
    format: 'pcapng',
    bytes: [0x0a, 0x0d, 0x0d, 0x0a, -1, -1, -1, -1, 0x1a, 0x2b, 0x3c, 0x4d],
  },
  { format: 'pcap', bytes: [0xd4, 0xc3, 0xb2, 0xa1] },
  { format: 'pcap', bytes: [0xa1, 0xb2, 0xc3, 0xd4] },
  { format: 'pcap', bytes: [0x4d, 0x3c, 0xb2, 0xa1] },
  { format: 'pcap', bytes: [0xa1, 0xb2, 0x3c, 0x4d] },
  // The 'modified' format: its reader says that it is not supported, which is clearer than "unknown".
  { format: 'pcap', bytes: [0x34, 0xcd, 0xb2, 0xa1] },
  { format: 'pcap', bytes: [0xa1, 0xb2, 0xcd, 0x34] },
  { format: 'gogetway', bytes: [...FRAME_MAGIC] },
]

/** With this many first bytes {@link detectFormat} never asks for more. */
export const DETECT_BYTES: number = Math.max(...SIGNATURES.map(({ bytes }) => bytes.length))

/** The format, `'more'` when so few bytes could still become one, or null for something else. */
export const detectFormat = (firstBytes: Uint8Array): CaptureFormat | 'more' | null => {
  let open = false
  for (const { format, bytes } of SIGNATURES) {
    const here = bytes.slice(0, firstBytes.length)
    if (!here.every((byte, at) => byte === -1 || byte === firstBytes[at])) continue
    if (here.length === bytes.length) return format
    open = true
  }
  return open ? 'more' : null
}

export const createCaptureReader = (format: CaptureFormat): CaptureReader => {
  switch (format) {
    case 'pcapng':
      return createPcapngReader()
    case 'pcap':
      return createPcapReader()
    case 'gogetway':
      return createGogetwayReader()
  }
}
