/** What is known of connections that began in writes that failed: enough for what is on its way, and no more than that. */

import { expect, it } from 'vitest'
import { parseAddress } from '../../../../src/core/address.js'
import { decodeAnnotation } from '../../../../src/core/record/annotation.js'
import { Takeover } from '../../../../src/core/record/files/takeover.js'
import type { ConnectionTrack } from '../../../../src/core/record/track.js'
import { Harness, SERVER } from '../harness.js'
import { concat, parseFile } from '../parse.js'

const MAX_UNTOLD = 16_384
const PER_WRITE = 500

it('of those the youngest stay known, at most 16,384, and all that a file has been told of', {
  retry: 0,
}, () => {
  const harness = new Harness({ tuples: null })
  const takeover = new Takeover(1)
  const open = (id: number): ConnectionTrack =>
    harness.open(id, parseAddress(`10.${1 + (id >> 14)}.0.1:${1024 + (id & 0x3fff)}`), SERVER)
  /** What is written of it; null: the disk refuses it. */
  const write = (fails: boolean): Uint8Array => {
    const written: Uint8Array[] = []
    for (let slab = harness.recorder.take(true); slab !== null; slab = harness.recorder.take(true)) {
      const parts = [...takeover.introductions(slab.contents, 0), slab.contents.slice()]
      if (fails) takeover.rollback()
      else {
        takeover.commit()
        written.push(...parts)
      }
      harness.recorder.settle(fails ? 'write failed: ENOSPC' : null, harness.nowMs)
    }
    return concat([harness.file[0]!, ...written])
  }
  const idsIn = (bytes: Uint8Array): readonly number[] =>
    parseFile(bytes)
      .packets.flatMap(({ comments }) => comments.map(decodeAnnotation))
      .flatMap((said) => (said?.kind === 'open' ? [said.id] : []))

  const told = open(1)
  write(false)
  const tracks: ConnectionTrack[] = []
  let most = 0
  for (let id = 2; id <= MAX_UNTOLD + 2 * PER_WRITE; id++) {
    tracks.push(open(id))
    if (id % PER_WRITE !== 0) continue
    write(true)
    expect(takeover.connections, `after ${tracks.length} were refused`).toBeLessThanOrEqual(MAX_UNTOLD + 1)
    most = Math.max(most, takeover.connections)
  }
  write(true)
  expect(most).toBeGreaterThan(MAX_UNTOLD - PER_WRITE)
  expect(takeover.connections).toBeGreaterThan(MAX_UNTOLD / 2)
  expect(takeover.connections).toBeLessThanOrEqual(MAX_UNTOLD + 1)

  // In another file, each has to be introduced by whoever knows it.
  takeover.nextFile()
  harness.send(told, 'upstream', 10)
  expect(idsIn(write(false))).toEqual([1])
  const before = takeover.connections
  const youngest = tracks.at(-1)!
  harness.send(youngest, 'upstream', 10)
  expect(idsIn(write(false))).toContain(youngest.spec.id)
  expect(takeover.connections).toBe(before)
  // The oldest is forgotten, and known again when its recorder says again whose it is.
  const oldest = tracks[0]!
  harness.send(oldest, 'upstream', 10)
  expect(idsIn(write(false))).toContain(oldest.spec.id)
  expect(takeover.connections).toBe(before + 1)
})
