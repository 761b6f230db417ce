import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inspectTail, type Tail } from '../../../src/sinks/file/tail.js'
import { Harness } from '../../core/record/harness.js'

let folder: string
const path = (): string => join(folder, 'x.pcapng')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-tail-'))
})
afterEach(() => rm(folder, { recursive: true }))

const recording = (): Uint8Array => {
  const harness = new Harness()
  const connection = harness.open(1)
  for (let i = 0; i < 4; i++) harness.send(connection, 'upstream', 10 + i)
  harness.recorder.close(connection, 'killed', harness.nowMs)
  harness.writeAll()
  return harness.contents()
}

const tailOf = async (content: Uint8Array | string): Promise<Tail> => {
  await writeFile(path(), content)
  const handle = await open(path())
  try {
    return await inspectTail(handle)
  } finally {
    await handle.close()
  }
}

test('a recording cut at any byte is torn where its last whole block ended', async () => {
  const whole = recording()
  const ends = [0]
  const view = new DataView(whole.buffer)
  for (let at = 0; at < whole.length; at += view.getUint32(at + 4, true))
    ends.push(at + view.getUint32(at + 4, true))
  for (let cut = 1; cut <= whole.length; cut++) {
    const offset = Math.max(...ends.filter((candidate) => candidate <= cut))
    const expected = offset === cut ? { kind: 'whole' } : { kind: 'torn', offset, cutBytes: cut - offset }
    expect(await tailOf(whole.subarray(0, cut))).toEqual(expected)
  }
})

test('a file that is empty, and one that is no recording, are told apart', async () => {
  expect(await tailOf('')).toEqual({ kind: 'empty' })
  expect(await tailOf('something else entirely')).toEqual({ kind: 'foreign' })
})
