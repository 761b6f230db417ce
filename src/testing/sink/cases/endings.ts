/** Opening and closing, as often as it may happen. */

import assert from 'node:assert/strict'
import { type SinkCase, sinkCase } from '../case.js'
import { conversation, Speaker } from '../records.js'

const RUN = '6f1c2b0a-0d63-4a55-9a05-2a7d54e0c006'

export const endingCases: readonly SinkCase[] = [
  sinkCase('a place that is there already is opened as it is', async (scene) => {
    const records = conversation(new Speaker(RUN, 1), 5, 10)
    const first = await scene.sink()
    await scene.write(first, records)
    await first.close()
    await scene.sink()
    await scene.expect(records)
  }),

  sinkCase('two sinks open a new place at once', async (scene) => {
    const sinks = [await scene.closedSink(), await scene.closedSink()]
    await Promise.all(sinks.map((sink) => sink.open()))
    const rows = sinks.map((_, index) => conversation(new Speaker(RUN, index + 1), 5, 10))
    await Promise.all(sinks.map((sink, index) => scene.write(sink, rows[index] ?? [])))
    await scene.expect(rows.flat())
  }),

  sinkCase('closing a sink twice, also at once, is as closing it once', async (scene) => {
    const sink = await scene.sink()
    const records = conversation(new Speaker(RUN, 1), 5, 10)
    await scene.write(sink, records)
    await Promise.all([sink.close(), sink.close()])
    await sink.close()
    await scene.expect(records)
  }),

  sinkCase('a sink that was never opened can be closed', async (scene) => {
    const sink = await scene.closedSink()
    await sink.close()
  }),

  sinkCase('a sink says where it stores in one line, without secrets', async (scene) => {
    const sink = await scene.closedSink()
    assert.match(sink.where, /^[^\r\n]+$/)
    for (const secret of scene.place.secrets ?? [])
      assert.ok(!sink.where.includes(secret), 'where shows a secret')
  }),
]
