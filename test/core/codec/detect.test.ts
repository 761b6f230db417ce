import { describe, expect, it } from 'vitest'
import { createCaptureReader, DETECT_BYTES, detectFormat } from '../../../src/core/codec/detect.js'
import { ascii, bytes, Pcap, Pcapng } from './builders.js'

const FILES = [
  ['pcapng', new Pcapng('little').section()],
  ['pcapng', new Pcapng('big').section()],
  ['pcap', new Pcap('little').header(1)],
  ['pcap', new Pcap('big').header(1)],
  ['pcap', new Pcap('little').header(1, 0xa1b23c4d)],
  ['pcap', new Pcap('big').header(1, 0xa1b2cd34)],
  ['gogetway', ascii('--benbens--\ntxxxxxxxx')],
] as const

describe.each(FILES)('a %s file', (format, file) => {
  it('is told from its first bytes, and with fewer of them more are asked for', () => {
    const answers = Array.from({ length: file.length + 1 }, (_, length) =>
      detectFormat(file.subarray(0, length)),
    )
    const known = answers.indexOf(format)
    expect(known).toBeLessThanOrEqual(DETECT_BYTES)
    expect(new Set(answers.slice(0, known))).toEqual(new Set(['more']))
    expect(new Set(answers.slice(known))).toEqual(new Set([format]))
  })

  it('has a reader of that format', () => {
    expect(createCaptureReader(format).format).toBe(format)
  })
})

it.each([
  ['text', ascii('hello')],
  ['gzip', bytes(0x1f, 0x8b)],
  ['a section header without byte-order magic', bytes(0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1)],
  ['something that begins like gogetway', ascii('--benbens--\nx')],
])('%s is none of the formats', (_, file) => {
  expect(detectFormat(file)).toBeNull()
})
