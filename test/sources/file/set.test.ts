import { link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeGogetwayFrame } from '../../../src/core/codec/gogetway/frame.js'
import { openRecording, type RecordingFile } from '../../../src/sources/file/recording.js'
import { asPcap, PING_PONG, recorded, tempDir, utf8 } from '../../cli/recordings.js'
import { SERIES_FILES } from '../../core/reassembly/series.js'
import { itWithZstd, zstd } from '../../support/zstd.js'

const FRAME = encodeGogetwayFrame({ timeNs: 5n, type: 1, from: 'a:1', to: 'b:2', body: utf8('hello') })

/** A directory with these files, by name. */
const folder = async (files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
  const directory = tempDir()
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true })
    await writeFile(join(directory, name), bytes)
  }
  return directory
}

const said = async (recording: RecordingFile): Promise<Record<string, string>> => {
  const streams: Record<string, string> = {}
  for await (const event of recording.events())
    if (event.kind === 'data') {
      const name = `${event.connection} ${event.direction}`
      streams[name] = (streams[name] ?? '') + Buffer.from(event.bytes).toString()
    }
  return streams
}

const WHOLE = { '1 upstream': 'one two six.', '1 downstream': 'abcdef' }

const [FIRST, SECOND, THIRD] = SERIES_FILES as [Uint8Array, Uint8Array, Uint8Array]

describe('a recording in several files', () => {
  it('is read in the order it was recorded, however the files are given and named', async () => {
    const directory = await folder({ 'c/x.pcapng': FIRST, 'b.pcapng': SECOND, a: THIRD })
    const paths = ['a', 'b.pcapng', 'c/x.pcapng'].map((name) => join(directory, name))
    for (const input of [directory, paths, paths.toReversed(), [directory, ...paths]]) {
      const recording = await openRecording(input)
      expect(recording.files).toEqual(paths.toReversed())
      expect(await said(recording)).toEqual(WHOLE)
      expect(recording).toMatchObject({ format: 'pcapng', damage: null, damages: [], skipped: 0 })
      expect(recording.bytesRead).toBe(recording.totalBytes)
    }
  })

  it('may be compressed, each file or some', async () => {
    const directory = await folder({ 'a.pcapng.gz': gzipSync(FIRST), b: gzipSync(SECOND), 'c.pcapng': THIRD })
    expect(await said(await openRecording(directory))).toEqual(WHOLE)
  })

  it('takes no file twice: not one under two names, not one beside what it is compressed to', async () => {
    const directory = await folder({ 'a.pcapng': FIRST, 'a.pcapng.gz': gzipSync(FIRST), 'b.pcapng': SECOND })
    await link(join(directory, 'b.pcapng'), join(directory, 'again.pcapng'))
    await symlink('a.pcapng', join(directory, 'latest.pcapng'))
    const recording = await openRecording(directory)
    expect(recording.files).toHaveLength(2)
    expect(await said(recording)).toEqual({ '1 upstream': 'one two ', '1 downstream': 'abcd' })
  })

  it('passes over what is no recording, and never takes what somebody writes in part', async () => {
    const directory = await folder({
      'a.pcapng': FIRST,
      'notes.txt': utf8('buy milk'),
      'log.gz': gzipSync(utf8('no recording either')),
      'empty.pcapng': utf8(''),
      'b.pcapng.part': SECOND,
      'b.pcapng.gz.part': gzipSync(SECOND).subarray(0, 20),
    })
    const recording = await openRecording(directory)
    expect(recording).toMatchObject({ files: [join(directory, 'a.pcapng')], skipped: 3 })
  })

  it('may have files of each format, whose connections are numbered in one row', async () => {
    const directory = await folder({ a: PING_PONG, b: FRAME, c: asPcap(PING_PONG) })
    const recording = await openRecording(directory)
    expect(recording.format).toBe('mixed')
    const numbers: number[] = []
    for await (const event of recording.events()) if (event.kind === 'open') numbers.push(event.connection)
    expect(numbers).toEqual([1, 2, 3])
  })

  it('goes on with the next file after a damaged one, and names each with its offset', async () => {
    const torn = PING_PONG.subarray(0, PING_PONG.length - 3)
    const directory = await folder({
      'a.pcapng': FIRST.subarray(0, FIRST.length - 1),
      'b.pcapng': utf8('not at all a recording'),
      'c.pcapng.gz': gzipSync(torn).subarray(0, -9),
      'd.pcapng': recorded((tape) => tape.hangUp(tape.connect(5))),
    })
    const recording = await openRecording(directory)
    const closed: number[] = []
    for await (const event of recording.events()) if (event.kind === 'close') closed.push(event.connection)
    expect(closed).toHaveLength(2)
    const byName = recording.damages.toSorted((one, other) => (one.file < other.file ? -1 : 1))
    expect(byName).toMatchObject(
      [
        { file: join(directory, 'a.pcapng'), torn: true, compressed: false, bytesRead: FIRST.length - 1 },
        { file: join(directory, 'b.pcapng'), torn: false, offset: 0, message: /^it is not a recording/ },
        { file: join(directory, 'c.pcapng.gz'), torn: true, compressed: true, message: /ends too early/ },
      ].map(({ message, ...rest }) => ({
        ...rest,
        ...(message ? { message: expect.stringMatching(message) } : {}),
      })),
    )
  })

  it('is read on where a file was compressed, or removed, after it was listed', async () => {
    const directory = await folder({ 'a.pcapng': FIRST, 'b.pcapng': SECOND, 'c.pcapng': THIRD })
    const recording = await openRecording(directory)
    await writeFile(join(directory, 'a.pcapng.gz'), gzipSync(FIRST))
    await rm(join(directory, 'a.pcapng'))
    await rename(join(directory, 'b.pcapng'), join(directory, 'elsewhere'))
    expect(await said(recording)).toEqual({ '1 upstream': 'one six.', '1 downstream': 'abef' })
    expect(recording.damages).toMatchObject([
      { file: join(directory, 'b.pcapng'), message: 'it is no longer there' },
    ])
  })

  it('has one file open at a time', async () => {
    const directory = await folder({ 'a.pcapng': FIRST, 'b.pcapng': SECOND, 'c.pcapng': THIRD })
    const recording = await openRecording(directory)
    for await (const event of recording.events()) if (event.kind === 'continue') break
    await recording.close()
    await recording.close()
  })

  it('is not mixed with what can be read only once', async () => {
    const file = join(await folder({ a: FIRST }), 'a')
    for (const inputs of [
      ['-', file],
      [file, '-'],
      ['-', '-'],
    ])
      await expect(openRecording(inputs)).rejects.toMatchObject({
        code: 'usage',
        message: "'-' cannot be read together with others: only files and directories can",
      })
    await expect(openRecording([])).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('a compressed recording', () => {
  type Compress = (bytes: Uint8Array) => Buffer

  const readsStdin = async (compress: Compress): Promise<void> => {
    const stdin = (async function* () {
      // Two members, or frames, as `cat` makes them.
      const half = PING_PONG.length >> 1
      const bytes = Buffer.concat([compress(PING_PONG.subarray(0, half)), compress(PING_PONG.subarray(half))])
      for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
    })()
    const recording = await openRecording('-', { stdin })
    expect(recording.format).toBe('pcapng')
    expect(await said(recording)).toEqual({ '1 upstream': 'PING\r\n', '1 downstream': '+PONG\r\n' })
  }

  const readsWhatIsThere = async (compress: Compress, name: string): Promise<void> => {
    const long = recorded((tape) => tape.say(tape.connect(1), 'upstream', new Uint8Array(3_000_000)))
    const directory = await folder({ whole: compress(long), cut: compress(long).subarray(0, -9) })
    const seen = async (file: string) => {
      const recording = await openRecording(join(directory, file))
      let bytes = 0
      for await (const event of recording.events()) if (event.kind === 'data') bytes += event.bytes.length
      return { bytes, damage: recording.damage }
    }
    expect(await seen('whole')).toEqual({ bytes: 3_000_000, damage: null })
    const cut = await seen('cut')
    expect(cut.damage).toMatchObject({
      torn: true,
      compressed: true,
      message: `its ${name} data ends too early`,
    })
    expect(cut.bytes).toBeGreaterThan(2_500_000)
  }

  it('is read from stdin as from a file', () => readsStdin(gzipSync))

  itWithZstd('is read from stdin as from a file with zstd', ({ compress }) => readsStdin(compress))

  it('that is cut short gives what is before, however much a few bytes unfold to', () =>
    readsWhatIsThere(gzipSync, 'gzip'))

  itWithZstd('that is cut short gives what is before, with zstd', ({ compress }) =>
    readsWhatIsThere(compress, 'zstd'),
  )

  it.skipIf(zstd !== null)('with zstd is refused where Node has none, with what helps', async () => {
    const file = join(await folder({ 'a.zst': Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0) }), 'a.zst')
    await expect(openRecording(file)).rejects.toMatchObject({
      code: 'usage',
      message: `'${file}' is compressed with zstd, which Node ${process.versions.node} cannot undo (22.15 can): try zstd -dc '${file}' | tidegate … -`,
    })
  })
})
