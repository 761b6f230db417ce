/**
 * The sink compliance suite: whoever writes a sink runs it, and so knows that what the spool delivers to it is stored.
 *
 *   for (const { name, run, timeoutMs } of sinkCompliance(createPlace)) it(name, run, timeoutMs)
 */

import { type ComplianceCase, watchingTheProcess } from '../compliance-case.js'
import type { CreatePlace, SinkCase } from './case.js'
import { endingCases } from './cases/endings.js'
import { failureCases } from './cases/failures.js'
import { faithCases } from './cases/faith.js'
import { orderCases } from './cases/order.js'
import { repetitionCases } from './cases/repetition.js'
import { SinkScene } from './scene.js'

const CASES: readonly SinkCase[] = [faithCases, orderCases, repetitionCases, failureCases, endingCases].flat()

const bindCase = ({ name, timeoutMs, needs, play }: SinkCase, createPlace: CreatePlace): ComplianceCase => ({
  name: needs === null ? name : `${name} (where the place has ${needs})`,
  timeoutMs,
  run: () =>
    watchingTheProcess(async () => {
      const place = await createPlace()
      const scene = new SinkScene(place)
      try {
        if (needs === null || place[needs] !== undefined) return await play(scene)
        process.emitWarning(`not checked, the place has no ${needs}: ${name}`, { type: 'TidegateWarning' })
      } finally {
        await scene.close()
      }
    }),
})

/** Every case; each run makes, and closes, a place of its own. */
export const sinkCompliance = (createPlace: CreatePlace): readonly ComplianceCase[] =>
  CASES.map((each) => bindCase(each, createPlace))
