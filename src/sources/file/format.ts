/** What kind of recording this is, told from its first bytes; and what to say of a file that is none. */

import type { CaptureFormat } from '../../core/codec/capture.js'
import { DETECT_BYTES, detectFormat } from '../../core/codec/detect.js'
import { TidegateError } from '../../errors.js'

const EXPECTED = 'expected pcapng, pcap or gogetway'

const notARecording = (name: string, why: string): TidegateError =>
  new TidegateError('format_unknown', `'${name}' ${why}: ${EXPECTED}`, { fault: 'usage', where: name })

/** RFC 1952 and RFC 8878: what a compressed recording begins with. */
const COMPRESSIONS: readonly {
  readonly magic: readonly number[]
  readonly name: string
  readonly undo: string
}[] = [
  { magic: [0x1f, 0x8b], name: 'gzip', undo: 'gunzip -c' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], name: 'zstd', undo: 'zstd -dc' },
]

const foreign = (name: string, head: Uint8Array): TidegateError => {
  const packed = COMPRESSIONS.find(({ magic }) => magic.every((byte, at) => head[at] === byte))
  if (packed === undefined) return notARecording(name, 'is not a recording')
  const hint = `is compressed with ${packed.name} (try: ${packed.undo} '${name}' | tidegate … -)`
  return notARecording(name, hint)
}

export interface Detected {
  readonly format: CaptureFormat
  /** What was read to find out: the first chunks, mostly one. */
  readonly head: readonly Uint8Array[]
}

const joined = (parts: readonly Uint8Array[], limit: number): Uint8Array => {
  const bytes = new Uint8Array(
    Math.min(
      limit,
      parts.reduce((sum, part) => sum + part.length, 0),
    ),
  )
  let at = 0
  for (const part of parts) {
    if (at === bytes.length) break
    const piece = part.subarray(0, bytes.length - at)
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** @throws TidegateError (rejects) `format_unknown`. */
export const detect = async (name: string, chunks: AsyncIterator<Uint8Array>): Promise<Detected> => {
  const head: Uint8Array[] = []
  for (;;) {
    const next = await chunks.next()
    const start = joined(head, DETECT_BYTES)
    if (next.done === true) throw start.length === 0 ? notARecording(name, 'is empty') : foreign(name, start)
    // The source reuses its buffer once more is asked for, so what is kept is copied.
    head.push(next.value.slice())
    const bytes = joined(head, DETECT_BYTES)
    const format = detectFormat(bytes)
    if (format === null) throw foreign(name, bytes)
    if (format !== 'more') return { format, head }
  }
}
