/** What becomes of a service when its gateway ends. */

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../support/payload.js'
import { eventually, testScope, within } from '../support/scope.js'
import { dial, exchange } from '../support/sockets.js'
import { startWake } from '../support/tidegate.js'
import { hasStopped, isReady, isStarting, notedService, stopped } from '../support/waking.js'

/** Processes that have this in their command line: also those that are only about to become what was asked for. */
const withWord = (word: string): readonly string[] =>
  readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      return words.includes(word) ? [`${name}: ${words.replaceAll('\0', ' ')}`] : []
    } catch {
      // It has ended.
      return []
    }
  })

const nothingLeft = (word: string) =>
  eventually('nothing to be left of the service', () => withWord(word).length === 0)

const START_MS = 60

/** A child of its own, and a grandchild that a shell has started. */
const WAYS = {
  'a process': [],
  'a shell and its child': ['/bin/sh', '-c', '"$@" & wait', 'sh'],
} as const

const random = seededRandom(31)
/** Before it has become the command, while that starts, and when it runs. */
const ROUNDS = Array.from({ length: 6 }, (_, n) => ({
  way: n % 2 === 0 ? ('a process' as const) : ('a shell and its child' as const),
  afterMs: Math.round((n < 3 ? 15 : 200) * random()),
}))

describe('kill -9 of a gateway that has woken a service', () => {
  it.each(ROUNDS)('leaves nothing of $way, $afterMs ms after it began to start it', async (round) => {
    const ends = testScope()
    const service = await notedService(ends, START_MS)
    const gateway = await startWake(ends, service.port, [...WAYS[round.way], ...service.command])
    const client = await dial(ends, gateway.port)
    client.resume()
    await gateway.lines('it starts', isStarting)
    // Not a wait for something to happen: the moment is what the rounds differ in.
    await pause(round.afterMs)
    gateway.daemon.child.kill('SIGKILL')
    await gateway.daemon.exited
    await nothingLeft(service.command.at(-1)!)
  })
})

const STUBBORN = ['--env', 'WOKEN_IGNORES=SIGTERM']

describe('a gateway that has woken a service and is told to end', () => {
  it('lets its clients finish, then asks the service to end, and ends after it', async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const gateway = await startWake(ends, service.port, service.command, ['--drain-timeout', '1m'])
    const client = await dial(ends, gateway.port)
    await gateway.lines('it is ready', isReady)
    gateway.daemon.child.kill('SIGTERM')
    await gateway.lines('that it drains', ({ msg }) => /drain/.test(msg))
    expect(service.alive()).toHaveLength(1)
    expect((await exchange(client, Buffer.from('last words'))).toString()).toMatch(/^pid \d+\nlast words$/)
    expect((await within(10_000, 'the gateway to end', gateway.daemon.exited)).code).toBe(0)
    expect(gateway.log.filter(hasStopped)).toMatchObject([{ signal: 'SIGTERM' }])
    expect(gateway.log.at(-1)?.msg).toBe('closed')
    expect(withWord(service.command.at(-1)!)).toEqual([])
  })

  it('kills a service that does not end when it is asked to, when the time for that is over', async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const flags = [...STUBBORN, '--drain-timeout', '1m', '--stop-timeout', '300ms']
    const gateway = await startWake(ends, service.port, service.command, flags)
    expect((await exchange(await dial(ends, gateway.port), Buffer.from('x'))).toString()).toMatch(/x$/)
    expect(await gateway.finish(10_000)).toBe(0)
    expect(gateway.log.filter(hasStopped)).toMatchObject([{ signal: 'SIGKILL' }])
    expect(withWord(service.command.at(-1)!)).toEqual([])
  })

  it('gives clients and service the drain timeout and no more', async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const flags = [...STUBBORN, '--drain-timeout', '1s', '--stop-timeout', '5m']
    const gateway = await startWake(ends, service.port, service.command, flags)
    const client = await dial(ends, gateway.port)
    client.resume()
    await gateway.lines('it is ready', isReady)
    expect(await gateway.finish(15_000)).toBe(0)
    expect(await gateway.closed(1)).toMatchObject([{ reason: 'drained' }])
    expect(gateway.log.filter(hasStopped)).toMatchObject([{ signal: 'SIGKILL' }])
    expect(withWord(service.command.at(-1)!)).toEqual([])
  })

  it('while the service starts, tells who waits for it, and leaves nothing', async () => {
    const ends = testScope()
    const service = await notedService(ends, 60_000)
    const gateway = await startWake(ends, service.port, service.command, ['--drain-timeout', '2s'])
    const client = await dial(ends, gateway.port)
    client.resume()
    await gateway.lines('it starts', isStarting)
    await eventually('it runs', () => service.alive().length === 1)
    expect(await gateway.finish(10_000)).toBe(0)
    expect((await gateway.closed(1))[0]?.reason).toMatch(/^(wake_failed|drained)$/)
    expect(withWord(service.command.at(-1)!)).toEqual([])
  })

  it('twice ends at once, and the service with it', async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const flags = [...STUBBORN, '--drain-timeout', '10m', '--stop-timeout', '10m']
    const gateway = await startWake(ends, service.port, service.command, flags)
    const client = await dial(ends, gateway.port)
    client.resume()
    await gateway.lines('it is ready', isReady)
    gateway.daemon.child.kill('SIGTERM')
    await gateway.lines('that it drains', ({ msg }) => /drain/.test(msg))
    gateway.daemon.child.kill('SIGTERM')
    expect((await within(5000, 'the gateway to end', gateway.daemon.exited)).code).toBe(143)
    await nothingLeft(service.command.at(-1)!)
  })
})

describe('a service that ignores the request to end when it is idle', () => {
  it('is killed in the end, and started again for the next client', async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const flags = [...STUBBORN, '--idle', '100ms', '--stop-timeout', '200ms']
    const gateway = await startWake(ends, service.port, service.command, flags)
    for (const life of [1, 2]) {
      expect((await exchange(await dial(ends, gateway.port), Buffer.from('x'))).toString()).toMatch(/x$/)
      expect((await stopped(gateway, life)).at(-1)).toMatchObject({ signal: 'SIGKILL' })
    }
    expect([service.pids().length, service.overlaps()]).toEqual([2, []])
    expect(await gateway.finish()).toBe(0)
  })
})
