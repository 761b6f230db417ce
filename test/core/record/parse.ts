/** A second, naive reading of what the recorder writes, sharing no code with it. */

export interface ParsedPacket {
  readonly interfaceIndex: number
  readonly timeNs: bigint
  readonly source: string
  readonly destination: string
  readonly seq: number
  readonly ack: number
  readonly flags: string
  readonly payload: Uint8Array
  readonly comments: readonly string[]
  readonly checksumsRight: boolean
}

const onesComplementSum = (bytes: Uint8Array): number => {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return sum
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const FLAG_NAMES = ['fin', 'syn', 'rst', 'psh', 'ack'] as const

const parseIp = (data: Uint8Array) => {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const version = view.getUint8(0) >> 4
  const header = version === 4 ? 20 : 40
  const addresses = version === 4 ? data.subarray(12, 20) : data.subarray(8, 40)
  const total = version === 4 ? view.getUint16(2) : view.getUint16(4) + 40
  if (total !== data.length) throw new Error(`IP says ${total} bytes, the packet has ${data.length}`)
  const tcp = new DataView(data.buffer, data.byteOffset + header, data.length - header)
  const segment = data.subarray(header)
  const pseudo = Buffer.concat([
    addresses,
    Uint8Array.of(0, 6, segment.length >> 8, segment.length & 255),
    segment,
  ])
  const ipRight = version === 6 || onesComplementSum(data.subarray(0, 20)) === 0xffff
  const half = addresses.length / 2
  const flags = tcp.getUint8(13)
  return {
    source: `${hex(addresses.subarray(0, half))}:${tcp.getUint16(0)}`,
    destination: `${hex(addresses.subarray(half))}:${tcp.getUint16(2)}`,
    seq: tcp.getUint32(4),
    ack: tcp.getUint32(8),
    flags: FLAG_NAMES.filter((_, bit) => (flags >> bit) & 1).join(' '),
    payload: segment.subarray((tcp.getUint8(12) >> 4) * 4),
    checksumsRight: ipRight && onesComplementSum(pseudo) === 0xffff,
  }
}

export interface ParsedFile {
  /** Block types in order. */
  readonly blocks: readonly number[]
  readonly packets: readonly ParsedPacket[]
}

export const parseFile = (file: Uint8Array): ParsedFile => {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const blocks: number[] = []
  const packets: ParsedPacket[] = []
  let at = 0
  while (at < file.length) {
    const type = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    if (length % 4 !== 0 || view.getUint32(at + length - 4, true) !== length)
      throw new Error(`block at ${at} is not whole`)
    blocks.push(type)
    if (type === 6) {
      const captured = view.getUint32(at + 20, true)
      const data = file.subarray(at + 28, at + 28 + captured)
      const comments: string[] = []
      let option = at + 28 + Math.ceil(captured / 4) * 4
      while (option < at + length - 4 && view.getUint16(option, true) !== 0) {
        const size = view.getUint16(option + 2, true)
        comments.push(new TextDecoder().decode(file.subarray(option + 4, option + 4 + size)))
        option += 4 + Math.ceil(size / 4) * 4
      }
      packets.push({
        interfaceIndex: view.getUint32(at + 8, true),
        timeNs: (BigInt(view.getUint32(at + 12, true)) << 32n) | BigInt(view.getUint32(at + 16, true)),
        comments,
        ...parseIp(data),
      })
    }
    at += length
  }
  return { blocks, packets }
}

export const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** The byte that stands at `at` of a test stream: each stream and each position differs. */
export const patternByte = (stream: number, at: number): number =>
  (at * 31 + (at >> 8) * 7 + stream * 13) & 255

export const pattern = (stream: number, at: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = patternByte(stream, at + i)
  return bytes
}
