import { expect, test } from 'vitest'
import { type Capture, EVERYTHING, METADATA_ONLY, Switch } from '../../../src/core/record/capture.js'
import { MAX_CUT_RANGES, SEVERAL_CUTS } from '../../../src/core/record/ledger.js'
import { SLAB_BYTES } from '../../../src/core/record/slab-pool.js'
import type { ConnectionTrack } from '../../../src/core/record/track.js'
import { compileRedaction } from '../../../src/core/redact/redaction.js'
import { Harness } from './harness.js'
import { pattern } from './parse.js'

const KIB = 1024
const FIRST_KIB = { maxBytes: KIB, limit: 'first 1 KiB' }

const open = (harness: Harness, capture: Partial<Capture>): ConnectionTrack =>
  harness.open(1, undefined, undefined, undefined, { ...EVERYTHING, ...capture })

const say = (harness: Harness, connection: ConnectionTrack, text: string): void =>
  harness.recorder.data(connection, Buffer.from(text, 'latin1'), 'upstream', harness.nowMs)

const finish = (harness: Harness, connection: ConnectionTrack): void => {
  harness.recorder.close(connection, 'killed', harness.nowMs)
  // It waits if the last write failed.
  harness.recorder.retryCloses()
  harness.writeAll()
}

/** What the file has of the client's bytes, packet by packet. */
const stored = (harness: Harness): readonly string[] =>
  harness
    .packets()
    .filter(({ payload }) => payload.length > 0)
    .map(({ payload }) => Buffer.from(payload).toString('latin1'))

const onSwitch = (): Switch => {
  const recording = new Switch()
  recording.set(true)
  return recording
}

const masking = (source: string): Pick<Capture, 'redaction'> => ({
  redaction: compileRedaction([{ pattern: source, after: null, ignoreCase: false }]),
})

test('the first bytes of each direction are kept, and the FIN says how many were cut', () => {
  const harness = new Harness()
  const connection = open(harness, FIRST_KIB)
  for (let i = 0; i < 3; i++) harness.send(connection, 'upstream', 700)
  harness.send(connection, 'downstream', KIB)
  harness.fin(connection, 'upstream')
  harness.fin(connection, 'downstream')
  harness.recorder.close(connection, 'client_fin', harness.nowMs)
  harness.writeAll()
  const data = harness.packets().filter(({ payload }) => payload.length > 0)
  expect(data.map(({ payload }) => payload.length)).toEqual([700, 324, KIB])
  expect(Buffer.concat(data.slice(0, 2).map(({ payload }) => payload)).equals(pattern(2, 0, KIB))).toBe(true)
  const [syn] = harness.packets()
  const fin = harness.packets().find(({ flags }) => flags === 'fin ack')
  expect((fin?.seq ?? 0) - (syn?.seq ?? 0)).toBe(2101)
  const cut = { at: KIB, length: 2100 - KIB, why: 'first 1 KiB' }
  expect(fin?.comments).toEqual([
    `tidegate gap ${JSON.stringify({ direction: 'upstream', ...cut, cut: true })}`,
  ])
  expect(harness.closes()).toMatchObject([
    {
      upstream: { seen: 2100, stored: KIB, lost: [], cut: [cut] },
      downstream: { seen: KIB, stored: KIB, lost: [] },
    },
  ])
  expect(harness.closes()[0]?.downstream).not.toHaveProperty('cut')
})

test('what is beyond the limit is neither copied nor written, however much it is', () => {
  const harness = new Harness()
  const connection = open(harness, FIRST_KIB)
  harness.send(connection, 'upstream', 2 * KIB)
  harness.send(connection, 'downstream', 2 * KIB)
  harness.writeAll()
  for (let i = 0; i < 5000; i++) {
    harness.recorder.data(connection, new Uint8Array(1), 'upstream', harness.nowMs)
    harness.recorder.data(connection, new Uint8Array(1), 'downstream', harness.nowMs)
  }
  expect(harness.recorder.bufferedBytes).toBe(0)
  expect(harness.recorder.take(true)).toBeNull()
  expect(harness.recorder.counters()).toMatchObject({ storedBytes: 2 * KIB, cutBytes: 2 * KIB + 10_000 })
})

test('metadata only: a whole conversation without a byte of what was said', () => {
  const harness = new Harness()
  const connection = open(harness, { maxBytes: 0, limit: METADATA_ONLY })
  harness.send(connection, 'upstream', 10)
  harness.send(connection, 'downstream', 20)
  harness.fin(connection, 'downstream')
  harness.fin(connection, 'upstream')
  harness.recorder.close(connection, 'upstream_fin', harness.nowMs)
  harness.writeAll()
  expect(harness.packets().map(({ flags }) => flags)).toEqual([
    'syn',
    'syn ack',
    'ack',
    'fin ack',
    'fin ack',
    'ack',
  ])
  expect(stored(harness)).toEqual([])
  expect(harness.closes()).toMatchObject([
    {
      upstream: { seen: 10, stored: 0, cut: [{ at: 0, length: 10, why: METADATA_ONLY }] },
      downstream: { seen: 20, stored: 0, cut: [{ at: 0, length: 20, why: METADATA_ONLY }] },
    },
  ])
})

test('while it is switched off nothing is stored, and the first packet after it says what was cut', () => {
  const harness = new Harness()
  const recording = onSwitch()
  const connection = open(harness, { recording })
  say(harness, connection, 'before')
  recording.set(false)
  say(harness, connection, 'not ')
  say(harness, connection, 'this')
  recording.set(true)
  say(harness, connection, 'after')
  finish(harness, connection)
  expect(stored(harness)).toEqual(['before', 'after'])
  const cut = { at: 6, length: 8, why: 'switched off' }
  expect(harness.annotations().filter(({ kind }) => kind === 'gap')).toEqual([
    { kind: 'gap', direction: 'upstream', ...cut, cut: true },
  ])
  expect(harness.closes()).toMatchObject([{ upstream: { seen: 19, stored: 11, lost: [], cut: [cut] } }])
})

test('the limit counts from the beginning of the stream, switched off or not', () => {
  const harness = new Harness()
  const recording = onSwitch()
  const connection = open(harness, { recording, ...FIRST_KIB })
  recording.set(false)
  harness.send(connection, 'upstream', 1000)
  recording.set(true)
  harness.send(connection, 'upstream', 1000)
  recording.set(false)
  harness.send(connection, 'upstream', 1)
  finish(harness, connection)
  expect(harness.closes()[0]?.upstream).toEqual({
    seen: 2001,
    stored: 24,
    lost: [],
    cut: [
      { at: 0, length: 1000, why: 'switched off' },
      { at: KIB, length: 977, why: 'first 1 KiB' },
    ],
  })
})

test('a stream that is switched very often keeps a bounded account, which still adds up', () => {
  const harness = new Harness()
  const recording = onSwitch()
  const connection = open(harness, { recording })
  for (let i = 0; i < 4 * MAX_CUT_RANGES; i++) {
    recording.set(i % 2 === 0)
    harness.send(connection, 'upstream', 10)
  }
  finish(harness, connection)
  const { seen, stored: kept, cut = [] } = harness.closes()[0]?.upstream ?? { seen: 0, stored: 0 }
  expect(cut).toHaveLength(MAX_CUT_RANGES)
  expect(cut.at(-1)?.why).toBe(SEVERAL_CUTS)
  expect(kept + cut.reduce((sum, { length }) => sum + length, 0)).toBe(seen)
})

test('a gap that says what was cut is said again if its packet is lost', () => {
  const harness = new Harness()
  const connection = open(harness, FIRST_KIB)
  harness.send(connection, 'upstream', 2 * KIB)
  harness.writeAll()
  harness.fin(connection, 'upstream')
  harness.write('write failed: ENOSPC')
  finish(harness, connection)
  const gaps = harness.annotations().filter(({ kind }) => kind === 'gap')
  expect(gaps).toEqual([
    { kind: 'gap', direction: 'upstream', at: KIB, length: KIB, why: 'first 1 KiB', cut: true },
  ])
})

test('a secret that comes in pieces is masked, and every byte keeps its place', () => {
  const harness = new Harness()
  const connection = open(harness, masking('hunter2'))
  for (const piece of ['pass hun', 'te', 'r2 and hunt', 'ing']) say(harness, connection, piece)
  expect(connection.upstream.next).toBe(24)
  harness.fin(connection, 'upstream')
  finish(harness, connection)
  expect(stored(harness).join('')).toBe('pass ******* and hunting')
  expect(harness.closes()[0]?.upstream).toEqual({ seen: 24, stored: 24, lost: [] })
})

test('what may become a secret waits, seen and not acknowledged, until the stream ends', () => {
  const harness = new Harness()
  const connection = open(harness, masking('hunter2'))
  say(harness, connection, 'x hunt')
  harness.send(connection, 'downstream', 1)
  harness.writeAll()
  expect(stored(harness)[0]).toBe('x ')
  expect(harness.recorder.counters()).toMatchObject({ seenBytes: 7, storedBytes: 3 })
  const [syn, , , first, answer] = harness.packets()
  expect((answer?.ack ?? 0) - (syn?.seq ?? 0)).toBe(3)
  expect((first?.seq ?? 0) - (syn?.seq ?? 0)).toBe(1)
  harness.recorder.endOfStream(connection, 'upstream', harness.nowMs)
  finish(harness, connection)
  expect(stored(harness)[2]).toBe('hunt')
  expect(harness.closes()[0]?.upstream).toEqual({ seen: 6, stored: 6, lost: [] })
})

test('half a secret that waits when the connection is broken off is cut', () => {
  const harness = new Harness()
  const connection = open(harness, masking('hunter2'))
  say(harness, connection, 'x hunt')
  finish(harness, connection)
  expect(stored(harness).join('')).toBe('x ')
  const cut = [{ at: 2, length: 4, why: 'may be part of a secret' }]
  expect(harness.closes()[0]?.upstream).toEqual({ seen: 6, stored: 2, lost: [], cut })
})

test.each([
  ['begins before', 'AUTH hun', 'ter2', '3more\n'],
  ['is announced', 'x', 'AUTH ', 'hunter2\n'],
  ['begins', 'x', 'AUTH hunt', 'er2\n'],
])('a secret that %s while recording is switched off is masked when it is on again', (_, before, off, on) => {
  const harness = new Harness()
  const recording = onSwitch()
  const redaction = compileRedaction([{ pattern: '[^\\n]+', after: 'AUTH ', ignoreCase: false }])
  const connection = open(harness, { recording, redaction })
  say(harness, connection, before)
  recording.set(false)
  say(harness, connection, off)
  recording.set(true)
  say(harness, connection, on)
  say(harness, connection, 'clear again')
  harness.recorder.endOfStream(connection, 'upstream', harness.nowMs)
  finish(harness, connection)
  const said = stored(harness).join('')
  expect(said).toBe(`${before.replace('hun', '***')}${'*'.repeat(on.length - 1)}\nclear again`)
  expect(harness.closes()[0]?.upstream).toMatchObject({
    seen: before.length + off.length + on.length + 11,
    cut: [{ at: before.length, length: off.length, why: 'switched off' }],
  })
})

test('a secret across the limit is masked up to it, though its end is not stored', () => {
  const harness = new Harness()
  const connection = open(harness, { maxBytes: 9, limit: 'first 9 B', ...masking('hunter2') })
  say(harness, connection, 'pass hunt')
  expect(harness.recorder.counters().cutBytes).toBe(0)
  say(harness, connection, 'er2 ')
  say(harness, connection, 'hunter2')
  finish(harness, connection)
  expect(stored(harness).join('')).toBe('pass ****')
  expect(harness.closes()[0]?.upstream).toMatchObject({
    seen: 20,
    stored: 9,
    cut: [{ at: 9, length: 11, why: 'first 9 B' }],
  })
})

test('half a secret that is held back when recording is switched off is cut too', () => {
  const harness = new Harness()
  const recording = onSwitch()
  const connection = open(harness, { recording, ...masking('hunter2') })
  say(harness, connection, 'pass hun')
  recording.set(false)
  say(harness, connection, 'ter2')
  recording.set(true)
  say(harness, connection, 'ter2 is no secret without its beginning')
  finish(harness, connection)
  expect(stored(harness).join('')).toBe('pass ter2 is no secret without its beginning')
  expect(harness.closes()[0]?.upstream.cut).toEqual([{ at: 5, length: 7, why: 'switched off' }])
})

test('what is held back when the recording is over is lost with the rest', () => {
  const harness = new Harness()
  const connection = open(harness, masking('hunter2'))
  say(harness, connection, 'pass hun')
  harness.recorder.finish()
  say(harness, connection, 'ter2')
  harness.recorder.close(connection, 'drained', harness.nowMs)
  harness.recorder.retryCloses()
  harness.writeAll()
  expect(stored(harness)).toEqual(['pass '])
  expect(harness.closes()[0]?.upstream).toEqual({
    seen: 12,
    stored: 5,
    lost: [{ at: 5, length: 7, why: 'recording closed' }],
  })
  expect(harness.recorder.counters()).toMatchObject({ seenBytes: 12, storedBytes: 5, lostBytes: 7 })
})

test('a connection that is cut for an overload amid its redaction may close at once', () => {
  const harness = new Harness({ overload: 'disconnect' })
  const connection = open(harness, masking('hunter2'))
  harness.onDisconnect = (ended) => harness.recorder.close(ended, 'error', harness.nowMs)
  for (let sent = 0; sent < 8 * SLAB_BYTES && connection.ending === null; sent += 60_000)
    say(harness, connection, `hun${'x'.repeat(60_000)}hunter2hunt`)
  expect(harness.log).toEqual(['disconnect 1: overload: disconnected'])
  harness.writeAll()
  harness.recorder.retryCloses()
  harness.writeAll()
  const { seenBytes, storedBytes, lostBytes, cutBytes } = harness.recorder.counters()
  expect(lostBytes).toBeGreaterThan(0)
  expect(storedBytes + lostBytes + cutBytes).toBe(seenBytes)
  expect(harness.closes()).toHaveLength(1)
})
