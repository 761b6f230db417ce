/** Records come again after failures and restarts: they are taken, and nothing is different for it but that they may be there twice. */

import { type SinkCase, sinkCase } from '../case.js'
import { conversation, inBatches, mixed, Speaker } from '../records.js'

const RUN = '6f1c2b0a-0d63-4a55-9a05-2a7d54e0c004'

export const repetitionCases: readonly SinkCase[] = [
  sinkCase('a batch that comes again is taken again', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 5, 30)
    await scene.write(sink, records)
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('batches cut otherwise than before are taken, the first time and again', async (scene) => {
    const records = mixed([
      conversation(new Speaker(RUN, 1), 10, 30),
      conversation(new Speaker(RUN, 2), 10, 30),
    ])
    for (const size of [9, 11, records.length]) {
      const sink = await scene.sink()
      for (const batch of inBatches(records, size)) await scene.write(sink, batch)
    }
    await scene.expect(records)
  }),

  sinkCase('a batch that is partly new is stored with what is new', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 20, 30)
    await scene.write(sink, records.slice(0, 20))
    await scene.write(sink, records.slice(10))
    await scene.expect(records)
  }),

  sinkCase('a record that is there twice in one batch is taken', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 3, 30)
    await scene.write(sink, [...records, ...records])
    await scene.expect(records)
  }),

  sinkCase('a connection that is opened again keeps its first time', async (scene) => {
    const sink = await scene.sink()
    const speaker = new Speaker(RUN, 1)
    const first = speaker.open()
    const before = speaker.data('upstream', 10)
    const again = speaker.open()
    const after = speaker.data('upstream', 10)
    await scene.write(sink, [first, before])
    await scene.write(sink, [again, after])
    await scene.expect([first, before, after])
  }),
]
