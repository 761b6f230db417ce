/** A gateway whose upstream is one process per client. */

import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runsStill } from '../../support/proc.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { readAll } from '../../support/sockets.js'
import { gone, greetingOf, start } from '../upstreams/gateway/start.js'

/** Greets with its process id, then answers line by line until its input ends. */
const LOOP = 'echo $$; while read -r l; do echo "<$l>"; done'

const sh = (script: string) => ({ mode: 'inetd' as const, exec: ['/bin/sh', '-c', script] })

/** Notes in a file when a process starts and ends, whatever comes in between. */
const noting = (scope: Scope) => {
  const file = join(scope.tempDir(), 'notes')
  writeFileSync(file, '')
  const notes = (): readonly string[] => readFileSync(file, 'latin1').split('\n').filter(Boolean)
  return {
    around: (script: string): string => `echo + >>${file}; ${script}; echo - >>${file}`,
    started: (): number => notes().filter((note) => note === '+').length,
    most: (): number => {
      let [running, most] = [0, 0]
      for (const note of notes()) {
        running += note === '+' ? 1 : -1
        most = Math.max(most, running)
      }
      return most
    },
  }
}

const lineOf = (socket: Socket): Promise<string | null> => greetingOf(socket)

describe('a gateway whose upstream is one process per client', () => {
  it('gives each client a process of its own, and tells what it writes to standard error', async () => {
    const { client, lines, records, record } = await start({
      wake: sh(`echo "$$ $REMOTE_ADDR" >&2; ${LOOP}`),
    })
    const [one, other] = [await client(), await client()]
    expect(Number(one.reached)).toBeGreaterThan(0)
    expect(other.reached).not.toBe(one.reached)
    const answer = readAll(one.socket)
    one.socket.end('how are you\n')
    expect(String(await answer)).toBe('<how are you>\n')
    await gone(other.socket)
    await record(1)
    expect(records.map(({ reason }) => reason).sort()).toEqual(['client_fin', 'client_fin'])
    for (const { reached } of [one, other]) {
      const said = lines.find(({ message }) => message === `${reached} 127.0.0.1`)
      expect(said).toMatchObject({ level: 'info', fields: { upstream: 'it', pid: Number(reached) } })
    }
  })

  it('runs at most maxConnections processes: others wait in the queue, and all are served', async () => {
    const notes = noting(testScope())
    const { attempt } = await start({ maxConnections: 3, wake: sh(notes.around('echo hello; read -r l')) })
    const clients = Array.from({ length: 10 }, async () => {
      const socket = attempt()
      const greeting = await lineOf(socket)
      await gone(socket)
      return greeting
    })
    expect(await Promise.all(clients)).toEqual(Array.from({ length: 10 }, () => 'hello'))
    expect(notes.started()).toBe(10)
    expect(notes.most()).toBeLessThanOrEqual(3)
  })

  it('keeps the place of a process that outlives its client', async () => {
    const { client, attempt, gateway } = await start({
      maxConnections: 1,
      queueTimeout: '60s',
      wake: sh('trap "" TERM HUP; echo $$; while :; do sleep 0.05; done'),
    })
    const first = Number((await client()).reached)
    for (const { id } of gateway.connections()) gateway.kill(id)
    const second = attempt()
    await eventually('it waits', () => gateway.counters().upstreams.it?.waiting === 1)
    expect(runsStill(first)).toBe(true)
    process.kill(-first, 'SIGKILL')
    expect(Number(await lineOf(second))).toBeGreaterThan(0)
  })

  it('with wakeOn: data a scan starts nothing', async () => {
    const notes = noting(testScope())
    const { attempt, record } = await start({
      wake: { ...sh(notes.around('read -r l; echo "<$l>"')), wakeOn: 'data' },
    })
    for (let n = 0; n < 5; n++) {
      const scan = attempt()
      scan.once('connect', () => scan.destroy())
    }
    await record(4)
    const socket = attempt()
    socket.write('in earnest\n')
    expect(await lineOf(socket)).toBe('<in earnest>')
    expect(notes.started()).toBe(1)
  })

  it('a command that does not exist is warned of, and fails each client with wake_failed', async () => {
    const { clients, record, line } = await start({ wake: { mode: 'inetd', exec: ['/no/such/program'] } })
    expect(await line("there is no program '/no/such/program'")).toMatchObject({
      level: 'warn',
      fields: { upstream: 'it' },
    })
    expect(await clients(4)).toEqual([null, null, null, null])
    for (let n = 0; n < 4; n++) {
      const { reason, error } = await record(n)
      expect(reason).toBe('wake_failed')
      expect(error?.message).toContain("there is no program '/no/such/program'")
    }
  })

  it('a process that exits at once ends its client, and the next one has one again', async () => {
    const notes = noting(testScope())
    const { attempt, record, gateway } = await start({
      maxConnections: 1,
      wake: sh(notes.around('echo no >&2')),
    })
    for (let n = 0; n < 4; n++) {
      const socket = attempt()
      expect(String(await readAll(socket))).toBe('')
      await gone(socket)
      expect((await record(n)).reason).toBe('upstream_fin')
    }
    expect(notes.started()).toBe(4)
    await eventually('all places are free', () => {
      const [endpoint] = gateway.counters().upstreams.it?.endpoints ?? []
      return endpoint?.active === 0
    })
  })

  it('after a reload new clients get the new command, and who is connected keeps the old one', async () => {
    const { client, reload, gateway } = await start({
      wake: sh('echo old; while read -r l; do echo "old $l"; done'),
    })
    const old = await client()
    await reload({ wake: sh('echo $$; while read -r l; do echo "new $l"; done') })
    const fresh = await client()
    expect(Number(fresh.reached)).toBeGreaterThan(0)
    old.socket.write('a\n')
    expect(await lineOf(old.socket)).toBe('old a')
    await gateway.close({ drainTimeoutMs: 0 })
    expect(runsStill(Number(fresh.reached))).toBe(false)
  })

  it('a reload that takes the upstream away leaves its clients their processes, until the gateway closes', async () => {
    const { client, gateway, config } = await start({ wake: sh(LOOP) })
    const before = await client()
    const { listeners, upstreams: _, ...rest } = config({})
    await gateway.reload({
      ...rest,
      listeners: listeners.map((listener) => ({ ...listener, upstream: 'other' })),
      upstreams: { other: { wake: sh('echo other; read -r l') } },
    })
    expect((await client()).reached).toBe('other')
    before.socket.write('still here\n')
    expect(await lineOf(before.socket)).toBe('<still here>')
    await gateway.close({ drainTimeoutMs: 0 })
    expect(runsStill(Number(before.reached))).toBe(false)
  })

  it('a reload to another mode leaves clients their processes, until the gateway closes', async () => {
    const { client, gateway, reload } = await start({ wake: sh(LOOP) })
    const before = await client()
    await reload({ endpoints: ['127.0.0.1:9'] })
    before.socket.write('still here\n')
    expect(await lineOf(before.socket)).toBe('<still here>')
    await gateway.close({ drainTimeoutMs: 0 })
    expect(runsStill(Number(before.reached))).toBe(false)
  })

  it('closes in time although a process does not care for SIGTERM', async () => {
    const { client, gateway } = await start({
      wake: { ...sh('trap "" TERM HUP; echo $$; while :; do sleep 0.05; done'), stopTimeout: '60s' },
    })
    const { reached } = await client()
    await gateway.close({ drainTimeoutMs: 50 })
    expect(runsStill(Number(reached))).toBe(false)
  })
})
