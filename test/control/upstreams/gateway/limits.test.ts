/** How many connections an upstream gets, and who waits. */

import { describe, expect, it } from 'vitest'
import { eventually, testScope } from '../../../support/scope.js'
import { gone, greetingOf, start, startService } from './start.js'

describe('an upstream that takes ten connections', () => {
  it('never gets more, however many clients come, and all of them are served', async () => {
    const scope = testScope()
    const service = await startService(scope, 'a')
    const { attempt, gateway, status, records, endpoint } = await start(
      { endpoints: [service.address], maxConnections: 10, queueTimeout: '1m' },
      { scope },
    )
    let served = 0
    let most = 0
    let isOpen = false
    const waiting: (() => void)[] = []
    const all = Array.from({ length: 500 }, async () => {
      const socket = attempt()
      const reached = await greetingOf(socket)
      served++
      most = Math.max(most, served)
      if (!isOpen) await new Promise<void>((resolve) => void waiting.push(resolve))
      // Before its connection ends, so that whoever follows cannot be counted together with it.
      served--
      await gone(socket)
      return reached
    })
    await eventually('all others wait', () => served === 10 && status().waiting === 490)
    expect(service.sockets.size).toBe(10)
    expect(endpoint(service.address)).toMatchObject({ active: 10, idle: 0, state: 'up' })
    await eventually('the list has them', () => {
      const queued = gateway.connections().filter(({ state }) => state === 'queued')
      return queued.length === 490 && queued.every(({ upstream }) => upstream === null)
    })
    isOpen = true
    for (const go of waiting) go()
    expect(new Set(await Promise.all(all))).toEqual(new Set(['a']))
    expect(most).toBe(10)
    expect(service.accepted).toBe(500)
    await eventually('all have ended', () => records.length === 500)
    expect(gateway.counters().listeners.test).toMatchObject({
      accepted: 500,
      active: 0,
      closed: { client_fin: 500 },
    })
    expect(status().waiting).toBe(0)
    expect(endpoint(service.address)).toMatchObject({ active: 0, counts: { connected: 500, failed: 0 } })
  })

  it('turns away who has waited too long, and who is too much for the queue', async () => {
    const scope = testScope()
    const service = await startService(scope, 'a')
    const { client, gateway, status, records, lines } = await start(
      { endpoints: [service.address], maxConnections: 10, maxQueue: 20, queueTimeout: '1s' },
      { scope },
    )
    const served = await Promise.all(Array.from({ length: 10 }, () => client()))
    expect(served.every(({ reached }) => reached === 'a')).toBe(true)
    const others = await Promise.all(Array.from({ length: 50 }, () => client()))
    expect(others.every(({ reached }) => reached === null)).toBe(true)
    await eventually('they have been counted', () => records.length === 50)
    expect(gateway.counters().listeners.test?.closed).toEqual({ queue_timeout: 20, queue_full: 30 })
    expect(service.accepted).toBe(10)
    const errors = (reason: string) =>
      new Set(lines.filter(({ fields }) => fields.reason === reason).map(({ fields }) => fields.error))
    expect(errors('queue_timeout')).toEqual(new Set(["no connection to 'it' became free within 1000 ms"]))
    expect(errors('queue_full')).toEqual(
      new Set(["20 clients wait for a connection to 'it' already (maxQueue)"]),
    )
    for (const { attempts, upstream, times } of records) {
      expect([attempts, upstream, times.dialled]).toEqual([0, null, null])
    }
    // Nobody has a place that is not there any more.
    await Promise.all(served.map(({ socket }) => gone(socket)))
    const again = await Promise.all(Array.from({ length: 10 }, () => client()))
    expect(again.every(({ reached }) => reached === 'a')).toBe(true)
    expect(status().waiting).toBe(0)
  })

  it('has its places back from clients that leave while they wait or are dialled for', async () => {
    const scope = testScope()
    const service = await startService(scope, 'a')
    const { attempt, client, status, endpoint, gateway } = await start(
      { endpoints: [service.address], maxConnections: 2, queueTimeout: 0 },
      { scope },
    )
    for (let round = 0; round < 10; round++) {
      const sockets = Array.from({ length: 10 }, () => attempt())
      if (round % 2 === 0) await eventually('some wait', () => status().waiting > 0)
      for (const socket of sockets) socket.resetAndDestroy()
    }
    await eventually('all have gone', () => gateway.connections().length === 0)
    expect([status().waiting, endpoint(service.address).active]).toEqual([0, 0])
    const [one, two] = [await client(), await client()]
    expect([one.reached, two.reached]).toEqual(['a', 'a'])
  })
})
