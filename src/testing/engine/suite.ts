/**
 * The engine compliance suite: whoever writes an engine runs it, and so knows that everything above works on it.
 *
 *   for (const { name, run, timeoutMs } of engineCompliance(createMyEngine)) it(name, run, timeoutMs)
 */

import type { Engine } from '../../ports/engine.js'
import type { ComplianceCase } from '../compliance-case.js'
import { bindCase } from './case.js'
import { adoptCases } from './cases/adopt.js'
import { budgetCases } from './cases/budget.js'
import { connCases } from './cases/conn.js'
import { dialCases } from './cases/dial.js'
import { endingCases } from './cases/endings.js'
import { enduranceCases } from './cases/endurance.js'
import { flowCases } from './cases/flow.js'
import { halfCloseCases } from './cases/half-close.js'
import { interruptCases } from './cases/interrupt.js'
import { listenCases } from './cases/listen.js'
import { observerCases } from './cases/observer.js'
import { resetCases } from './cases/reset.js'
import { takeBackCases } from './cases/take-back.js'
import { timeoutCases } from './cases/timeouts.js'
import { unreadCases } from './cases/unread.js'
import { upstreamLostCases } from './cases/upstream-lost.js'

/** Every case for the engine that `createEngine` makes; each run makes, and closes, one of its own. */
export const engineCompliance = (createEngine: () => Engine): readonly ComplianceCase[] =>
  [
    halfCloseCases,
    resetCases,
    flowCases,
    timeoutCases,
    interruptCases,
    takeBackCases,
    dialCases,
    listenCases,
    connCases,
    unreadCases,
    upstreamLostCases,
    observerCases,
    endingCases,
    adoptCases,
    budgetCases,
    enduranceCases,
  ]
    .flat()
    .map((template) => bindCase(template, createEngine))
