/** What comes back is what was given, down to the last bit. */

import assert from 'node:assert/strict'
import { type SinkCase, sinkCase } from '../case.js'
import { conversation, inBatches, Speaker } from '../records.js'

const RUN = '6f1c2b0a-0d63-4a55-9a05-2a7d54e0c001'

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte)

export const faithCases: readonly SinkCase[] = [
  sinkCase('a batch is stored once write has resolved', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 3, 100)
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('each batch is stored before the next is asked for', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 3, 100)
    for (const [index, record] of records.entries()) {
      await scene.write(sink, [record])
      await scene.expect(records.slice(0, index + 1))
    }
  }),

  sinkCase('every byte comes back, zeros and malformed UTF-8 among them', async (scene) => {
    const sink = await scene.sink()
    const speaker = new Speaker(RUN, 1)
    const records = [
      speaker.open(),
      speaker.data('upstream', EVERY_BYTE),
      speaker.data('upstream', Uint8Array.of(0)),
      speaker.data('downstream', Uint8Array.of(0xc0, 0x80, 0xff, 0xfe, 0x5c, 0x2e, 0x0a)),
      speaker.data('downstream', new Uint8Array(64 * 1024)),
    ]
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('bytes that lie within a larger memory are stored alone', async (scene) => {
    const sink = await scene.sink()
    const speaker = new Speaker(RUN, 1)
    const memory = Uint8Array.from({ length: 64 }, (_, byte) => byte)
    const records = [speaker.open(), speaker.data('upstream', memory.subarray(16, 32))]
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase(
    'what was lost and what was cut come back as such, also in the ledger of the close',
    async (scene) => {
      const sink = await scene.sink()
      const speaker = new Speaker(RUN, 1)
      const records = [
        speaker.open(),
        speaker.gap('upstream', 10, 'write failed: ENOSPC'),
        speaker.data('upstream', 5),
        speaker.gap('upstream', 7, 'first 5 bytes', true),
        speaker.data('downstream', 5),
        speaker.gap('downstream', 3, ''),
        speaker.fin('downstream'),
        speaker.fin('upstream'),
        speaker.close('killed'),
      ]
      await scene.write(sink, records)
      await scene.expect(records)
    },
  ),

  sinkCase('a connection that says nothing has a beginning and an end', async (scene) => {
    const sink = await scene.sink()
    const speaker = new Speaker(RUN, 1)
    const records = [speaker.open(), speaker.close('idle_timeout')]
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('positions beyond 4 GiB and numbers up to 2^53 - 1 are exact', async (scene) => {
    const sink = await scene.sink()
    const speaker = new Speaker(RUN, Number.MAX_SAFE_INTEGER)
    const records = [
      speaker.open(),
      speaker.gap('upstream', 2 ** 32 - 1, 'overload: dropped'),
      speaker.data('upstream', 3),
      speaker.gap('upstream', 2 ** 51, 'overload: dropped'),
      speaker.data('upstream', 3),
      speaker.fin('upstream'),
      speaker.close(),
    ]
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('names and reasons of any characters come back', async (scene) => {
    const sink = await scene.sink()
    const speaker = new Speaker(RUN, 1)
    const odd = `it's "quoted" \\N \\. \t\n\r $1 %s {} 'päyload' 連線 \u{1f980}`
    const records = [
      speaker.open({ listener: odd, client: `unix:/run/${odd}`, server: '[fe80::1%eth0]:1' }),
      speaker.gap('downstream', 1, odd),
    ]
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('a batch of 10,000 small records is stored', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 4998, 8)
    assert.equal(records.length, 10_000)
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('a batch of 8 MiB in chunks of 64 KiB is stored', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 64, 64 * 1024)
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('a batch is left as it was given', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 2, 100)
    const same = conversation(new Speaker(RUN, 1), 2, 100)
    for (const record of records) Object.freeze(record)
    for (const batch of inBatches(records, 3)) await scene.write(sink, Object.freeze(batch))
    assert.deepEqual(records, same)
  }),
]
