import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testScope, within } from '../support/scope.js'
import { dial, exchange, LOOPBACK, lastingPort } from '../support/sockets.js'
import { startTidegate } from '../support/tidegate.js'
import { isStarting, notedService, startsOf, stopped } from '../support/waking.js'

/** Says something on a connection that stays open, and resolves with the answer. */
const say = async (socket: Socket, text: string): Promise<string> => {
  const answered = once(socket, 'data')
  socket.write(text)
  const [answer] = (await within(5000, 'an answer', answered)) as [Buffer]
  return answer.toString()
}

describe('SIGHUP to a gateway with a service that it has woken', () => {
  const start = async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const config = join(ends.tempDir(), 'tidegate.json')
    const port = await lastingPort()
    const write = (wake: object | null): void =>
      writeFileSync(
        config,
        JSON.stringify({
          listeners: [{ listen: `${LOOPBACK}:${port}`, upstream: 'it' }],
          upstreams: {
            it: {
              endpoints: [`${LOOPBACK}:${service.port}`],
              ...(wake === null ? {} : { wake: { exec: service.command, ...wake } }),
            },
          },
        }),
      )
    write({ idle: '10m' })
    const gateway = startTidegate(ends, ['serve', config])
    await gateway.lines('listening', ({ msg }) => msg === 'listening')
    const reload = async (count: number): Promise<void> => {
      gateway.daemon.child.kill('SIGHUP')
      await gateway.lines('reloaded', ({ msg }) => msg === 'config reloaded', count)
    }
    const client = await dial(ends, port)
    const [greeting] = (await within(10_000, 'its greeting', once(client, 'data'))) as [Buffer]
    expect(String(greeting)).toBe(`pid ${service.pids()[0]}\n`)
    return { ends, service, write, gateway, reload, client, port }
  }

  it('changes how it is kept without touching the one that runs', async () => {
    const { ends, service, write, gateway, reload, client, port } = await start()
    // The command, too: for the next start.
    write({ idle: '100ms', exec: [...service.command, 'more'] })
    await reload(1)
    expect(await say(client, 'still there')).toBe('still there')
    expect((await exchange(await dial(ends, port), Buffer.from('x'))).toString()).toBe(
      `pid ${service.pids()[0]}\nx`,
    )
    expect([startsOf(gateway), service.alive()]).toEqual([1, service.pids()])
    client.destroy()
    await stopped(gateway)
    expect((await exchange(await dial(ends, port), Buffer.from('x'))).toString()).toBe(
      `pid ${service.pids()[1]}\nx`,
    )
    const [, second] = await gateway.lines('its second start', isStarting, 2)
    expect(second!.command).toMatch(/ more$/)
    await stopped(gateway, 2)
    expect([service.pids().length, service.overlaps()]).toEqual([2, []])
    expect(await gateway.finish()).toBe(0)
  })

  it('changes nothing if the config has a mistake', async () => {
    const { service, write, gateway, client } = await start()
    write({ idle: 'soon' })
    gateway.daemon.child.kill('SIGHUP')
    const [line] = await gateway.lines('that it is not', ({ msg }) => /not reloaded/.test(msg))
    expect(line!.error).toMatch(/upstreams\.it\.wake\.idle/)
    expect(await say(client, 'still there')).toBe('still there')
    expect(service.alive()).toEqual(service.pids())
    client.destroy()
    await gateway.closed(1)
    expect(await gateway.finish()).toBe(0)
  })

  it('lets one that is not woken any more finish with its clients, and then stops it', async () => {
    const { service, write, gateway, reload, client } = await start()
    write(null)
    await reload(1)
    expect(await say(client, 'still there')).toBe('still there')
    expect(service.alive()).toHaveLength(1)
    client.destroy()
    await stopped(gateway)
    await service.allGone()
    expect(await gateway.finish()).toBe(0)
  })
})
