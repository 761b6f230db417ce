import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { encodeGogetwayFrame } from '../../../src/core/codec/gogetway/frame.js'
import type { ConversationEvent } from '../../../src/core/conversation.js'
import { TidegateError } from '../../../src/errors.js'
import { type OpenOptions, openRecording, type RecordingFile } from '../../../src/sources/file/recording.js'
import { asPcap, fileOf, HOLED, PING_PONG, recorded, tempDir, utf8 } from '../../cli/recordings.js'

const FRAME = encodeGogetwayFrame({ timeNs: 5n, type: 1, from: 'a:1', to: 'b:2', body: utf8('hello') })

/** An event as it can be kept: its bytes are only valid until the next one. */
const kept = (event: ConversationEvent): ConversationEvent =>
  event.kind === 'data' ? { ...event, bytes: event.bytes.slice() } : event

const eventsOf = async (recording: RecordingFile): Promise<readonly ConversationEvent[]> => {
  const events: ConversationEvent[] = []
  for await (const event of recording.events()) events.push(kept(event))
  return events
}

const open = (bytes: Uint8Array, options?: OpenOptions): Promise<RecordingFile> =>
  openRecording(fileOf(bytes), options)

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  )

describe('opening a recording', () => {
  it.each([
    ['pcapng', HOLED, 3],
    ['pcap', asPcap(HOLED), 3],
    ['gogetway', FRAME, 1],
  ])('tells %s by its content, and reads its conversations', async (format, bytes, connections) => {
    const recording = await open(bytes)
    expect(recording).toMatchObject({ format, totalBytes: bytes.length, damage: null })
    const events = await eventsOf(recording)
    expect(events.filter(({ kind }) => kind === 'open')).toHaveLength(connections)
    expect(recording).toMatchObject({ bytesRead: bytes.length, damage: null, ignored: 0 })
  })

  it('gives the records of the file as they are', async () => {
    const kinds: string[] = []
    for await (const { kind } of (await open(PING_PONG)).records()) kinds.push(kind)
    expect(kinds.slice(0, 4)).toEqual(['section', 'interface', 'interface', 'packet'])
  })

  it('reads the same events however the bytes come in', async () => {
    const whole = await eventsOf(await open(HOLED))
    for (const size of [1, 7, 64, 1000]) {
      const stdin = (async function* () {
        const buffer = new Uint8Array(size)
        for (let at = 0; at < HOLED.length; at += size) {
          const piece = HOLED.subarray(at, at + size)
          // One buffer for all chunks, as a file is read.
          buffer.set(piece)
          yield buffer.subarray(0, piece.length)
        }
      })()
      const recording = await openRecording('-', { stdin })
      expect(recording).toMatchObject({ name: 'stdin', totalBytes: null })
      expect(await eventsOf(recording)).toEqual(whole)
    }
  })

  it('shows the records that the events are made of, each just before its events', async () => {
    const kinds: string[] = []
    for await (const { kind } of (await open(PING_PONG)).records()) kinds.push(kind)
    const seen: string[] = []
    const recording = await open(PING_PONG)
    for await (const event of recording.events((record) => seen.push(record.kind)))
      seen.push(`-> ${event.kind}`)
    expect(seen.slice(0, 5)).toEqual(['section', 'interface', 'interface', 'packet', '-> open'])
    expect(seen.filter((kind) => !kind.startsWith('->'))).toEqual(kinds)

    const torn: string[] = []
    const batches = (await open(PING_PONG.subarray(0, -1))).batches((record) => torn.push(record.kind))
    for await (const batch of batches) for (const _ of batch);
    expect(torn).toEqual([...kinds.slice(0, -1), 'damage'])
  })

  it('tells how far it is', async () => {
    const steps: (readonly [number, number | null])[] = []
    const onProgress = (bytesRead: number, totalBytes: number | null) =>
      void steps.push([bytesRead, totalBytes])
    const payload = new Uint8Array(3_000_000)
    const big = recorded((tape) => tape.say(tape.connect(1), 'upstream', payload))
    await eventsOf(await open(big, { onProgress }))
    expect(steps.length).toBeGreaterThan(2)
    expect(steps.at(-1)).toEqual([big.length, big.length])
    expect(steps.map(([bytesRead]) => bytesRead)).toEqual(
      steps.map(([bytesRead]) => bytesRead).toSorted((a, b) => a - b),
    )
  })

  it('gives what is before the damage, then names the damage', async () => {
    const recording = await open(HOLED.subarray(0, HOLED.length - 1))
    expect(recording.damage).toBeNull()
    const events = await eventsOf(recording)
    expect(events.filter(({ kind }) => kind === 'open')).toHaveLength(3)
    expect(recording.damage).toMatchObject({ kind: 'damage', torn: true })
  })

  it('reads nothing after damage', async () => {
    let asked = 0
    const stdin = (async function* () {
      yield Buffer.concat([FRAME, utf8('no frame begins like this')])
      asked++
      yield FRAME
    })()
    const recording = await openRecording('-', { stdin })
    expect(await eventsOf(recording)).toHaveLength(0)
    expect(recording.damage).toMatchObject({ torn: false, offset: 0 })
    expect(asked).toBe(0)
  })

  it('can be read once', async () => {
    const recording = await open(PING_PONG)
    await eventsOf(recording)
    expect(await failure(eventsOf(recording))).toMatchObject({ code: 'misuse' })
  })

  it('lets go of a stream when the loop ends early', async () => {
    const stdin = Readable.from([PING_PONG, PING_PONG])
    const recording = await openRecording('-', { stdin })
    for await (const _ of recording.events()) break
    expect(stdin.destroyed).toBe(true)
    await recording.close()
  })

  it.each([
    ['missing file', () => `${tempDir()}/none`, 'file_unreadable', 'ENOENT'],
    ['directory without recordings', tempDir, 'format_unknown', undefined],
    ['path through a file', () => `${fileOf(PING_PONG)}/x`, 'file_unreadable', 'ENOTDIR'],
    ['foreign file', () => fileOf(utf8('%PDF-1.7 not a recording')), 'format_unknown', undefined],
    ['empty file', () => fileOf(utf8('')), 'format_unknown', undefined],
  ])('refuses a %s with a stable code', async (_, path, code, errno) => {
    const where = path()
    const error = await failure(openRecording(where))
    expect(error).toBeInstanceOf(TidegateError)
    expect(error).toMatchObject({
      code,
      errno,
      where,
      fault: 'usage',
      message: expect.stringContaining(where),
    })
  })

  it('says what failed when a stream breaks off', async () => {
    const stdin = (async function* () {
      yield PING_PONG.subarray(0, 100)
      throw Object.assign(new Error('read EIO'), { code: 'EIO' })
    })()
    const recording = await openRecording('-', { stdin })
    expect(await failure(eventsOf(recording))).toMatchObject({
      code: 'file_unreadable',
      message: "cannot read 'stdin': the device reports an error (EIO)",
    })
  })
})
