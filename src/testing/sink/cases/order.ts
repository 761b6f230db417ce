/** Each connection's records in the order they happened, and no connection mixed up with another. */

import { type SinkCase, sinkCase } from '../case.js'
import { conversation, inBatches, mixed, Speaker } from '../records.js'

const RUN = '6f1c2b0a-0d63-4a55-9a05-2a7d54e0c002'
const OTHER_RUN = '6f1c2b0a-0d63-4a55-9a05-2a7d54e0c003'

export const orderCases: readonly SinkCase[] = [
  sinkCase('the records of one connection keep their order over many batches', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 50, 10)
    for (const batch of inBatches(records, 7)) await scene.write(sink, batch)
    await scene.expect(records)
  }),

  sinkCase('a hundred connections at a time each keep their order', async (scene) => {
    const sink = await scene.sink()
    const rows = Array.from({ length: 100 }, (_, id) => conversation(new Speaker(RUN, id + 1), 5, 20))
    const records = mixed(rows)
    for (const batch of inBatches(records, 333)) await scene.write(sink, batch)
    await scene.expect(records)
  }),

  sinkCase('connections of the same number in two runs of a gateway stay apart', async (scene) => {
    const sink = await scene.sink()
    const records = mixed([
      conversation(new Speaker(RUN, 1), 3, 10),
      conversation(new Speaker(OTHER_RUN, 1), 3, 10),
    ])
    await scene.write(sink, records)
    await scene.expect(records)
  }),

  sinkCase('a connection goes on with the next sink, as after a restart', async (scene) => {
    const records = conversation(new Speaker(RUN, 1), 10, 10)
    for (const batch of inBatches(records, 6)) {
      const sink = await scene.sink()
      await scene.write(sink, batch)
      await sink.close()
    }
    await scene.expect(records)
  }),
]
