/**
 * Captures that other programs wrote: dumpcap 4 on Linux (loopback, "any" as LINUX_SLL and LINUX_SLL2), converted by
 * editcap and mergecap. In each, over IPv4 and then IPv6, a client sends a text, ends, and gets it back reversed.
 */

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createCaptureReader, detectFormat } from '../../../src/core/codec/detect.js'
import { createPacketConversations } from '../../../src/core/reassembly/packets.js'
import { readAll } from './builders.js'

const TEXT = `hello, ${'tide'.repeat(50)}`
const REVERSED = [...TEXT].reverse().join('')

interface Told {
  readonly ends: string
  upstream: string
  downstream: string
  rest: string
}

const conversationsOf = (
  name: string,
): { readonly told: readonly Told[]; readonly comments: readonly string[] } => {
  const file = new Uint8Array(readFileSync(new URL(`../../fixtures/captures/${name}`, import.meta.url)))
  const format = detectFormat(file)
  if (format === null || format === 'more') throw new Error(`${name} is not a capture`)
  const records = readAll(createCaptureReader(format), file, [1000, 3])
  const reader = createPacketConversations()
  const told: Told[] = []
  for (const event of [...records.flatMap((record) => [...reader.push(record)]), ...reader.end()]) {
    const port = (end: string): string => end.replace(/\d+$/, '')
    if (event.kind === 'open') {
      const ends = `${port(event.client)} > ${port(event.server)} on ${event.listener}`
      told.push({ ends, upstream: '', downstream: '', rest: '' })
    }
    const one = told[event.connection - 1]!
    if (event.kind === 'data') one[event.direction] += new TextDecoder().decode(event.bytes)
    else if (event.kind !== 'open') one.rest += `${event.kind} `
  }
  expect(reader.ignored).toBe(0)
  expect(records.some(({ kind }) => kind === 'damage')).toBe(false)
  const comments = records.flatMap((record) => (record.kind === 'packet' ? record.comments : []))
  return { told, comments }
}

const both = (name: string | undefined): readonly Told[] =>
  ['127.0.0.1: > 127.0.0.1:', '[::1]: > [::1]:'].map((ends) => ({
    ends: `${ends} on ${name}`,
    upstream: TEXT,
    downstream: REVERSED,
    rest: 'fin fin close ',
  }))

it.each([
  ['loopback.pcapng', both('lo')],
  ['cooked.pcapng', both('any')],
  ['cooked2.pcapng', both('any')],
  ['loopback.pcap', both(undefined)],
  ['loopback-ns.pcap', both(undefined)],
  ['merged.pcapng', [...both('lo'), ...both('any')]],
] as const)('%s is read as what was really said', (name, expected) => {
  expect(conversationsOf(name).told).toEqual(expected)
})

it('a comment that editcap added is found', () => {
  expect(conversationsOf('merged.pcapng').comments).toEqual(['a comment'])
})
