import { describe, expect, it } from 'vitest'
import type { CaptureRecord } from '../../../src/core/codec/capture.js'
import { createPcapngReader } from '../../../src/core/codec/pcapng/reader.js'
import { PacketEncoder } from '../../../src/core/convert/packets.js'
import { encodeRecordingComment } from '../../../src/core/record/annotation.js'
import { readAll } from '../codec/builders.js'
import { packetOf } from '../reassembly/builders.js'

const section = (...comments: readonly string[]): CaptureRecord => ({
  kind: 'section',
  offset: 0,
  application: 'tidegate 1',
  comments,
})
const named = (index: number, name: string, linkType = 101): CaptureRecord => ({
  kind: 'interface',
  offset: 0,
  index,
  linkType,
  name,
  description: undefined,
})
const packet = (interfaceIndex: number, text: string, linkType = 101) =>
  packetOf(new TextEncoder().encode(text), { interfaceIndex, linkType, originalLength: 99, comments: ['c'] })

/** What a reader finds in what is made of `records`, packets as `interface: text`. */
const written = (records: readonly CaptureRecord[]): readonly string[] => {
  const encoder = new PacketEncoder()
  for (const record of records) encoder.see(record)
  return readAll(createPcapngReader(), new Uint8Array(encoder.take())).map((record) => {
    if (record.kind === 'section') return `section ${record.comments.length}`
    if (record.kind === 'interface') return `${record.index}: ${record.name} ${record.linkType}`
    if (record.kind !== 'packet') return record.kind
    const { interfaceIndex, linkType, originalLength, comments, data } = record
    return `${interfaceIndex}: ${new TextDecoder().decode(data)} ${linkType} of ${originalLength} (${comments})`
  })
}

const run = (id: string): CaptureRecord => section(encodeRecordingComment(id), 'and another comment')

describe('packets of several files', () => {
  it('are one section where the files are of one run, with each interface once', () => {
    const files = [
      ...[run('a'), named(0, 'web'), named(1, 'db'), packet(1, 'one')],
      // Numbered otherwise.
      ...[run('a'), named(0, 'db'), named(1, 'web', 1), packet(0, 'two'), packet(1, 'three', 1)],
    ]
    expect(written(files)).toEqual([
      'section 2',
      '0: web 101',
      '1: db 101',
      '1: one 101 of 99 (c)',
      '2: web 1',
      '1: two 101 of 99 (c)',
      '2: three 1 of 99 (c)',
    ])
  })

  it('are sections of their own where they are of two runs, or do not say', () => {
    const file = [named(0, 'web'), packet(0, 'x')]
    const kinds = (...sections: readonly CaptureRecord[]) =>
      written(sections.flatMap((one) => [one, ...file])).filter((line) => line.startsWith('section'))
    expect(kinds(run('a'), run('b'), run('b'))).toHaveLength(2)
    expect(kinds(section(), section())).toHaveLength(2)
  })

  it('begin another section after something else was written', () => {
    const encoder = new PacketEncoder()
    encoder.see(run('a'))
    encoder.take()
    encoder.leave()
    encoder.see(run('a'))
    expect(readAll(createPcapngReader(), new Uint8Array(encoder.take()))).toMatchObject([{ kind: 'section' }])
  })

  it('may be larger than the memory there was, and are cut where readers would take no more', () => {
    const encoder = new PacketEncoder()
    const data = new Uint8Array(16 * 1024 ** 2).fill(7)
    for (const record of [run('a'), named(0, 'web'), packetOf(data)]) encoder.see(record)
    const [, , record] = readAll(createPcapngReader(), encoder.take())
    expect(record).toMatchObject({ kind: 'packet', originalLength: data.length })
    expect(record?.kind === 'packet' ? record.data.length : 0).toBe(data.length - 32)
  })
})
