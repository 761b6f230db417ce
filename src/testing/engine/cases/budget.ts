/** Descriptors that are short: who waits, who is asked, and what is not opened. */

import assert from 'node:assert/strict'
import type { DescriptorBudget } from '../../../ports/engine.js'
import { until } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'

/** As many as any process may have. */
const ALL = 2 ** 31 - 1

const PLENTY: DescriptorBudget = { connections: ALL, waiting: 2, kept: 0 }

/** Whether an engine counts its own or sees what the process has open: there is nothing. */
const NOTHING: DescriptorBudget = { connections: 0, waiting: 2, kept: ALL }

export const budgetCases: readonly CaseTemplate[] = [
  engineCase('there is nothing to spare without descriptors, and something with them', async ({ engine }) => {
    assert.equal(engine.hasSpare(), true)
    engine.budget(NOTHING)
    assert.equal(engine.hasSpare(), false)
    engine.budget(PLENTY)
    assert.equal(engine.hasSpare(), true)
  }),

  engineCase(
    'a client for whom there is no descriptor waits, idle connections are asked for, and it is served once there is one',
    async (scene) => {
      const { engine } = scene
      let asked = 0
      engine.onShortage(() => asked++)
      engine.budget(NOTHING)
      const gateway = await scene.gateway()
      // An engine may find out by accepting the first.
      const clients = [
        await scene.client(gateway.listening.address),
        await scene.client(gateway.listening.address),
      ]
      await until(() => asked > 0, 'somebody is asked')
      assert.equal(engine.hasSpare(), false)
      engine.budget(PLENTY)
      for (const client of clients) {
        client.socket.write('served?')
        const conn = await gateway.accepted()
        assert.equal(Buffer.from(await conn.read(100, 5000)).toString(), 'served?')
        conn.destroy()
      }
    },
  ),

  engineCase('nobody is asked any more who has said so', async (scene) => {
    const { engine } = scene
    let asked = 0
    engine.onShortage(() => asked++)
    engine.onShortage(null)
    engine.budget(NOTHING)
    const gateway = await scene.gateway()
    await scene.client(gateway.listening.address)
    await scene.client(gateway.listening.address)
    engine.budget(PLENTY)
    for (const conn of [await gateway.accepted(), await gateway.accepted()]) conn.destroy()
    assert.equal(asked, 0)
  }),
]
