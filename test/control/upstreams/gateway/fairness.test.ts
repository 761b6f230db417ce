/** One queue in front of an upstream, whichever worker a client has come to. */

import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { eventually, testScope } from '../../../support/scope.js'
import { gone, greetingOf, start, startService } from './start.js'

const CLIENTS = 60
/** Workers know one another's clients a little late, and one may have been busy. Each by itself: half of all would be overtaken. */
const OVERTAKEN = 10

it('clients get the one place nearly in the order they came, though each worker always has some that wait', async () => {
  const scope = testScope()
  const service = await startService(scope, 'a')
  const { client, attempt, status } = await start(
    { endpoints: [service.address], maxConnections: 1, queueTimeout: 0 },
    { scope },
  )
  const holder = await client()
  const order: number[] = []
  const come = async (nth: number): Promise<void> => {
    const socket: Socket = attempt()
    expect(await greetingOf(socket)).toBe('a')
    order.push(nth)
    await gone(socket)
  }
  const all: Promise<void>[] = []
  for (let nth = 0; nth < CLIENTS; nth++) {
    all.push(come(nth))
    await eventually('it waits', () => status().waiting === nth + 1)
  }
  await gone(holder.socket)
  await Promise.all(all)
  const late = order.map((nth, place) => place - nth)
  expect(Math.max(...late), `served in the order ${order.join(' ')}`).toBeLessThanOrEqual(OVERTAKEN)
  expect(service.accepted).toBe(CLIENTS + 1)
}, 60_000)
