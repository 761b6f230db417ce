/** Nothing is acknowledged that is not stored, and after a failure the same sink goes on. */

import assert from 'node:assert/strict'
import { within } from '../../wait.js'
import { type SinkCase, sinkCase } from '../case.js'
import { conversation, inBatches, mixed, Speaker } from '../records.js'

const RUN = '6f1c2b0a-0d63-4a55-9a05-2a7d54e0c005'
const LARGE = 16 * 1024

/** What a sink may take to give up once nobody waits for it, ms. */
const GIVE_UP_MS = 10_000

export const failureCases: readonly SinkCase[] = [
  sinkCase(
    'a write that is interrupted rejects, or all of it is stored; when it comes again nothing is missing',
    async (scene) => {
      const sink = await scene.sink()
      const records = mixed([
        conversation(new Speaker(RUN, 1), 20, LARGE),
        conversation(new Speaker(RUN, 2), 20, LARGE),
      ])
      const batches = inBatches(records, 17)
      let stored = 0
      for (const batch of batches) {
        await scene.place.breakNext?.()
        await scene.deliver(sink, batch)
        stored += batch.length
        await scene.expect(records.slice(0, stored))
      }
    },
    'breakNext',
  ),

  sinkCase(
    'what was stored before a failure stays stored',
    async (scene) => {
      const sink = await scene.sink()
      const records = conversation(new Speaker(RUN, 1), 20, 100)
      await scene.write(sink, records.slice(0, 20))
      await scene.place.breakNext?.()
      await scene.write(sink, records.slice(20)).catch(() => {})
      const stored = await scene.place.stored()
      assert.ok(stored.length >= 20, `${stored.length} of 20 records are still there`)
      await sink.open()
      await scene.deliver(sink, records.slice(20))
      await scene.expect(records)
    },
    'breakNext',
  ),

  sinkCase(
    'a sink that was interrupted can be closed, and another goes on',
    async (scene) => {
      const first = await scene.sink()
      const records = conversation(new Speaker(RUN, 1), 20, LARGE)
      await scene.place.breakNext?.()
      await scene.write(first, records).catch(() => {})
      await first.close()
      const second = await scene.sink()
      await scene.deliver(second, records)
      await scene.expect(records)
    },
    'breakNext',
  ),

  sinkCase(
    'a write that waits is given up when nobody waits for it any more',
    async (scene) => {
      const sink = await scene.sink()
      const records = conversation(new Speaker(RUN, 1), 5, LARGE)
      const goOn = await scene.place.stall?.()
      const nobody = new AbortController()
      const writing = sink.write(records, nobody.signal)
      nobody.abort()
      const rejected = writing.then(
        () => assert.fail('it was acknowledged, though it could not be stored'),
        () => {},
      )
      await within(rejected, 'the write rejects once its signal is aborted', GIVE_UP_MS)
      await goOn?.()
      await sink.open()
      await scene.deliver(sink, records)
      await scene.expect(records)
    },
    'stall',
  ),

  sinkCase('a write that nobody waited for from the start settles, and the sink goes on', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 5, 100)
    const settled = sink.write(records, AbortSignal.abort()).then(
      () => true,
      () => false,
    )
    const acknowledged = await within(settled, 'the write settles', GIVE_UP_MS)
    if (acknowledged) await scene.expect(records)
    else await sink.open()
    await scene.deliver(sink, records)
    await scene.expect(records)
  }),
]
