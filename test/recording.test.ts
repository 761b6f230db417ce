import { describe, expect, it } from 'vitest'
import {
  createGogetwayEncoder,
  createPcapngEncoder,
  createVerifier,
  decodeAnnotation,
  openRecording,
  type RecordingFile,
} from '../src/recording.js'
import { fileOf, PING_PONG, tempDir } from './cli/recordings.js'

const open = (bytes: Uint8Array): Promise<RecordingFile> => openRecording(fileOf(bytes))

describe('tidegate/recording', () => {
  it('reads, verifies and converts a recording with what it exports', async () => {
    const verifier = createVerifier(true)
    const encoder = createGogetwayEncoder()
    const frames: Uint8Array[] = []
    for await (const event of (await open(PING_PONG)).events()) {
      expect([...verifier.push(event)]).toEqual([])
      for (const piece of encoder.push(event)) frames.push(piece.slice())
    }
    expect(verifier.totals).toMatchObject({ withLedger: 1, holes: 0 })

    const back = createPcapngEncoder('test')
    const blocks = [...back.start()].map((piece) => piece.slice())
    for await (const event of (await open(Buffer.concat(frames))).events())
      for (const piece of back.push(event)) blocks.push(piece.slice())
    const kinds: string[] = []
    for await (const record of (await open(Buffer.concat(blocks))).records()) {
      if (record.kind === 'packet')
        for (const comment of record.comments) kinds.push(decodeAnnotation(comment)?.kind ?? '')
    }
    expect(kinds).toEqual(['open'])
  })

  it('throws its own error with a stable code', async () => {
    await expect(openRecording(`${tempDir()}/none`)).rejects.toMatchObject({
      name: 'TidegateError',
      code: 'file_unreadable',
      errno: 'ENOENT',
    })
  })
})
