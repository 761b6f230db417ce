/** Commands that are no services, and one that is, behind the same gateway. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { blockScope, testScope, within } from '../support/scope.js'
import { dial, exchange, LOOPBACK, lastingPort, startServer } from '../support/sockets.js'
import { type Gateway, listening, portIn, startTidegate } from '../support/tidegate.js'
import { notedService } from '../support/waking.js'

interface Case {
  readonly name: string
  readonly wake: (place: Place) => Readonly<Record<string, unknown>>
  readonly says: (place: Place) => RegExp
}

interface Place {
  /** Has a file that is not executable, and a directory. */
  readonly directory: string
  /** Where it was to accept. */
  readonly port: number
  readonly otherPort: number
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

const CASES: readonly Case[] = [
  {
    name: 'there is not',
    wake: () => ({ exec: ['no-such-command'] }),
    says: () => /: it cannot be started: there is no command 'no-such-command' in PATH$/,
  },
  {
    name: 'is not executable',
    wake: ({ directory }) => ({ exec: [join(directory, 'plain')] }),
    says: ({ directory }) =>
      new RegExp(`: it cannot be started: '${escaped(directory)}/plain' is not executable$`),
  },
  {
    name: 'is a directory',
    wake: ({ directory }) => ({ exec: [join(directory, 'folder')] }),
    says: () => /folder' is a directory, not a program$/,
  },
  {
    name: 'has a working directory that there is not',
    wake: ({ directory }) => ({ exec: ['cat'], workdir: join(directory, 'nowhere') }),
    says: () => /: it cannot be started: cannot run 'cat': there is no directory '.*nowhere'$/,
  },
  {
    name: 'exits at once',
    wake: () => ({ exec: ['/bin/sh', '-c', 'echo first; echo no space left >&2; exit 3'] }),
    says: () => /: it exited with code 3, and its last words were: (no space left|first)$/,
  },
  {
    name: 'goes to the background',
    wake: () => ({ exec: ['/bin/sh', '-c', 'sleep 60 & exit 0'] }),
    says: () => /: it exited with code 0 before it was ready; it has to stay in the foreground$/,
  },
  {
    name: 'is never ready',
    wake: () => ({ exec: ['/bin/sh', '-c', 'echo loading; exec sleep 60'], start: '1500ms' }),
    says: () => /: it was not ready within 1500ms(: it listens nowhere)?, and its last words were: loading$/,
  },
  {
    name: 'listens elsewhere',
    wake: ({ directory, otherPort }) => ({
      exec: [process.execPath, SERVICE, String(otherPort), '0', directory],
      start: '4s',
    }),
    says: ({ port, otherPort }) =>
      new RegExp(
        `: it was not ready within 4s: it listens at ${LOOPBACK}:${otherPort}, not at ${LOOPBACK}:${port}$`,
      ),
  },
  {
    name: 'floods',
    wake: () => ({ exec: ['yes', 'and so on'], start: '1s' }),
    says: () => /: it was not ready within 1s(: it listens nowhere)?, and its last words were: and so on$/,
  },
]

const SERVICE = join(import.meta.dirname, '../support/programs/woken.mjs')

const wakeFailed = (gateway: Gateway, upstream: string) =>
  gateway.lines(
    `why '${upstream}' did not start`,
    (line) => line.level === 'warn' && line.upstream === upstream && line.msg.includes('did not start'),
  )

describe('a gateway with a service that cannot be woken', () => {
  const scope = blockScope()
  const places = new Map<string, Place>()
  let gateway: Gateway
  let ports: ReadonlyMap<string, string>
  const portOf = (listener: string): number => portIn(ports.get(listener) ?? '')

  beforeAll(async () => {
    const fine = await notedService(scope)
    const listeners: object[] = [{ name: 'fine', listen: `${LOOPBACK}:0`, upstream: 'fine' }]
    const upstreams: Record<string, object> = {
      fine: { endpoints: [`${LOOPBACK}:${fine.port}`], wake: { exec: fine.command, idle: '100ms' } },
    }
    for (const { name, wake } of CASES) {
      const directory = scope.tempDir()
      writeFileSync(join(directory, 'plain'), 'no program', { mode: 0o644 })
      mkdirSync(join(directory, 'folder'))
      const place = { directory, port: await lastingPort(), otherPort: await lastingPort() }
      places.set(name, place)
      const upstream = name.replaceAll(' ', '-')
      listeners.push({ name, listen: `${LOOPBACK}:0`, upstream })
      upstreams[upstream] = { endpoints: [`${LOOPBACK}:${place.port}`], wake: wake(place) }
    }
    const config = join(scope.tempDir(), 'tidegate.json')
    writeFileSync(config, JSON.stringify({ listeners, upstreams }))
    gateway = startTidegate(scope, ['serve', config])
    ports = await listening(gateway, listeners.length)
  })

  it.each(CASES)(
    'since its command $name says so in one line, to its log and to who waits, and serves the other',
    async ({ name, says }) => {
      const ends = testScope()
      const upstream = name.replaceAll(' ', '-')
      const line = says(places.get(name)!)
      // It may be told before it knows that it is connected.
      const client = connect(portOf(name), LOOPBACK)
      ends.defer(() => client.destroy())
      const told = within(15_000, 'the client to be told', new Promise((gone) => client.once('close', gone)))
      client.on('error', () => {}).resume()
      const served = await exchange(await dial(ends, portOf('fine')), Buffer.from('hello'))
      expect(served.toString()).toMatch(/^pid \d+\nhello$/)
      await told
      const [why] = await wakeFailed(gateway, upstream)
      expect(why!.msg).not.toContain('\n')
      const [closed] = await gateway.lines(
        'the end of the connection',
        ({ msg, listener }) => msg === 'connection closed' && listener === name,
      )
      expect(closed).toMatchObject({
        level: 'warn',
        reason: 'wake_failed',
        error: expect.stringMatching(line),
      })
      // What it printed goes to the log in measure.
      expect(gateway.log.filter((each) => each.upstream === upstream).length).toBeLessThan(2000)
    },
    30_000,
  )

  it('has nothing on stderr but its log, and ends as any other', async () => {
    expect(gateway.noise).toEqual([])
    expect(await gateway.finish()).toBe(0)
    expect(gateway.log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
  })
})

describe('a service whose place is taken by a stranger', () => {
  it('is not started, nobody is connected to the stranger, and the log says who that is', async () => {
    const ends = testScope()
    let visits = 0
    const stranger = await startServer(ends, (socket) => {
      socket.on('data', () => visits++)
      socket.on('end', () => socket.end())
    })
    const target = `${LOOPBACK}:${stranger.port}`
    const gateway = startTidegate(ends, ['wake', `${LOOPBACK}:0`, target, '--', 'sleep', '60'])
    const port = portIn([...(await listening(gateway)).values()][0] ?? '')
    const client = connect(port, LOOPBACK)
    ends.defer(() => client.destroy())
    client.on('error', () => {}).resume()
    client.write('for the service only')
    const [closed] = await gateway.closed(1)
    expect(closed).toMatchObject({ reason: 'wake_failed', bytes: { upstream: 0, downstream: 0 } })
    expect(closed!.error).toMatch(
      new RegExp(`did not start: it was not started: .+ listens at ${target} already`),
    )
    expect(visits).toBe(0)
    expect(await gateway.finish()).toBe(0)
  })
})
