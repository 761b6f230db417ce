import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { repairTail } from '../../../src/sinks/file/tail.js'
import { Harness } from '../../core/record/harness.js'
import { parseFile } from '../../core/record/parse.js'

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

test('a recording cut at any byte is whole after the repair, and has every block that was whole before', async () => {
  const whole = recording()
  const ends = [0]
  const view = new DataView(whole.buffer)
  for (let at = 0; at < whole.length; at += view.getUint32(at + 4, true))
    ends.push(at + view.getUint32(at + 4, true))
  for (let cut = 0; cut <= whole.length; cut++) {
    await writeFile(path(), whole.subarray(0, cut))
    const end = Math.max(...ends.filter((candidate) => candidate <= cut))
    expect(await repairTail(path())).toEqual({ cutBytes: cut - end })
    const repaired = await readFile(path())
    expect(new Uint8Array(repaired)).toEqual(whole.subarray(0, end))
    expect(() => parseFile(repaired)).not.toThrow()
  }
})

test('a file that is no recording, and one that is not there, are errors and nothing is cut', async () => {
  await writeFile(path(), 'something else entirely')
  await expect(repairTail(path())).rejects.toMatchObject({ code: 'format_unknown' })
  expect(await readFile(path(), 'latin1')).toBe('something else entirely')
  await expect(repairTail(join(folder, 'missing'))).rejects.toMatchObject({ code: 'file_unwritable' })
})
