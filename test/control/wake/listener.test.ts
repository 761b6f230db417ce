/** A gateway that hands its socket to a process, which accepts from it until it ends by itself. */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GatewayService } from '../../../src/control/gateway.js'
import { answerOf, PASSED_HTTP_SERVER } from '../../support/passed-socket.js'
import { openFilesOf, runsStill } from '../../support/proc.js'
import { eventually, testScope } from '../../support/scope.js'
import { start } from '../upstreams/gateway/start.js'

const httpServer = (): readonly [string, ...string[]] => {
  const file = join(
    testScope().tempDir(),
    `${createHash('sha1').update(PASSED_HTTP_SERVER).digest('hex')}.mjs`,
  )
  writeFileSync(file, PASSED_HTTP_SERVER)
  return [process.execPath, file]
}

/** `PID LISTEN_FDNAMES WORD`; or why not. */
const answer = (port: number): Promise<readonly string[]> =>
  answerOf(port, '/').then(
    (text) => text.split(' '),
    (error: Error) => [error.message],
  )

const lent = (exec: readonly string[], more: object = {}) => ({
  wake: { mode: 'listener' as const, exec: [...exec], ...more },
})

const isClosed = (service: GatewayService): Promise<true> =>
  eventually('it has ended', () => service.status().state === 'closed')

describe.runIf(process.platform === 'linux')('a gateway that hands its socket to a process', () => {
  it('starts it again for whoever comes after it has ended, twenty times, and nobody is lost', async () => {
    const { gateway, port } = await start(lent(httpServer()))
    const service = gateway.service('it')
    expect(service.status()).toMatchObject({ state: 'closed', pid: null, starts: 0 })
    const pids = new Set<string>()
    for (let n = 0; n < 20; n++) {
      // The second may find it, or the moment in which it ends.
      const [first, second] = [await answer(port), await answer(port)]
      for (const [pid = '', name] of [first, second]) {
        expect(name, pid).toBe('test')
        pids.add(pid)
      }
      await isClosed(service)
    }
    expect(pids.size).toBeGreaterThanOrEqual(20)
    expect(service.status()).toMatchObject({ state: 'closed', failures: 0, starts: pids.size })
    expect(gateway.counters().upstreams.it?.service).toMatchObject({ starts: pids.size })
  }, 60_000)

  it('turns clients away when it crashes again and again, and starts it anew after a while', async () => {
    const mark = join(testScope().tempDir(), 'mended')
    const [node, file] = httpServer()
    const script = `test -e ${mark} || { echo 'no luck' >&2; exit 3; }; exec "$@"`
    const { gateway, port, line, lines } = await start(
      lent(['/bin/sh', '-c', script, 'sh', node, file ?? '']),
    )
    for (let n = 0; n < 3; n++) expect(await answer(port)).toHaveLength(1)
    expect(await line('exited with code 3')).toMatchObject({ level: 'warn', fields: { upstream: 'it' } })
    expect(await line('clients turned away')).toMatchObject({
      fields: { listener: 'test', reason: 'wake_failed' },
    })
    const service = gateway.service('it')
    // Each failure in a row doubles the pause: few starts, however many clients.
    const { starts } = service.status()
    expect(starts).toBeLessThanOrEqual(4)
    expect(service.status().lastFailure).toContain('exited with code 3')
    expect(lines.filter(({ message }) => message === 'no luck')).toHaveLength(starts)
    writeFileSync(mark, '')
    service.reset()
    expect((await answer(port))[1]).toBe('test')
  })

  it('a command that does not exist is warned of, and its clients are turned away', async () => {
    const { port, line } = await start(lent(['/no/such/program']))
    expect((await line("there is no program '/no/such/program'")).level).toBe('warn')
    expect(await answer(port)).toHaveLength(1)
    await line('clients turned away')
  })

  it('ends the process when the gateway closes, by SIGTERM and within its time', async () => {
    const { gateway, port } = await start(lent(httpServer(), { env: { IDLE_MS: '60000' } }))
    const [pid = ''] = await answer(port)
    expect(runsStill(Number(pid))).toBe(true)
    await gateway.close({ drainTimeoutMs: 0 })
    expect(runsStill(Number(pid))).toBe(false)
    expect(await answer(port)).toEqual([expect.stringContaining('ECONNREFUSED')])
  })

  it('leaves no engine behind that was opened to lend the socket', async () => {
    const engines = (): number => openFilesOf(process.pid).filter((file) => file.includes('eventpoll')).length
    const before = engines()
    const { gateway } = await start(lent(['cat']))
    expect(engines()).toBeGreaterThan(before)
    await gateway.close()
    await eventually('all are closed', () => engines() === before)
  })

  it('lets it hear SIGTERM also when there is no time to drain', async () => {
    const mark = join(testScope().tempDir(), 'heard')
    const script = `trap 'echo > ${mark}; exit 0' TERM; echo up; while :; do sleep 0.01; done`
    const { gateway, lines } = await start(lent(['/bin/sh', '-c', script]))
    gateway.service('it').start()
    await eventually('it runs', () => lines.some(({ message }) => message === 'up'))
    await gateway.close({ drainTimeoutMs: 0 })
    expect(existsSync(mark) && readFileSync(mark, 'latin1')).toBe('\n')
  })

  it('a reload keeps the socket: the next process is of the new config', async () => {
    const command = httpServer()
    const { gateway, port, reload } = await start(lent(command, { env: { WORD: 'old' } }))
    expect((await answer(port))[2]).toBe('old')
    await reload(lent(command, { env: { WORD: 'new' } }))
    await isClosed(gateway.service('it'))
    expect((await answer(port))[2]).toBe('new')
    expect(gateway.listeners[0]?.address).toMatchObject({ port })
  })

  it('a reload that removes the listener ends its process', async () => {
    const { gateway, port, config } = await start(lent(httpServer(), { env: { IDLE_MS: '60000' } }))
    const [pid = ''] = await answer(port)
    const other = { name: 'other', listen: '127.0.0.1:0', upstream: '127.0.0.1:9' }
    await gateway.reload({ ...config({}), listeners: [other], upstreams: {} })
    expect(runsStill(Number(pid))).toBe(false)
    expect(await answer(port)).toEqual([expect.stringContaining('ECONNREFUSED')])
    expect(() => gateway.service('it')).toThrow(/no upstream|not started on demand/)
  })

  it('a reload gives the socket of a process to a relay, and back', async () => {
    const command = httpServer()
    const { gateway, reload, config, client } = await start(lent(command, { env: { IDLE_MS: '60000' } }))
    const portNow = (): number => {
      const address = gateway.listeners[0]?.address
      return address?.kind === 'tcp' ? address.port : 0
    }
    const fixed = config(lent(command)).listeners.map((each) => ({
      ...each,
      listen: `127.0.0.1:${portNow()}`,
    }))
    const [pid = ''] = await answer(portNow())
    await reload(
      { wake: { mode: 'inetd', exec: ['/bin/sh', '-c', 'echo mine; read -r l'] } },
      { listeners: fixed },
    )
    expect(runsStill(Number(pid))).toBe(false)
    expect((await client()).reached).toBe('mine')
    await reload(lent(command), { listeners: fixed })
    expect((await answer(portNow()))[1]).toBe('test')
  })
})
