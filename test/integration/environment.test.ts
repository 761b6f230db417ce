import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { dial, firstSocket, LOOPBACK, startServer, type TestServer } from '../support/sockets.js'
import { type Gateway, listening, portIn, startTidegate, tidegate } from '../support/tidegate.js'

const writeConfig = (scope: Scope, upstreamPort: number, more: string): string => {
  const config = join(scope.tempDir(), 'tidegate.yaml')
  writeFileSync(
    config,
    `listeners:\n  - listen: ${LOOPBACK}:0\n    upstream: ${LOOPBACK}:${upstreamPort}\n${more}`,
  )
  return config
}

/** Stops a gateway that has an open connection, and resolves with the drain timeout that it says it has. */
const drainTimeoutOf = async (
  scope: Scope,
  gateway: Gateway,
  port: number,
  server: TestServer,
): Promise<unknown> => {
  const client = await dial(scope, port)
  await firstSocket(server)
  gateway.daemon.child.kill('SIGTERM')
  const [line] = await gateway.lines('that it drains', ({ msg }) => /^draining/.test(msg))
  client.destroy()
  expect((await within(10_000, 'the gateway to end', gateway.daemon.exited)).code).toBe(0)
  return line?.drainTimeoutMs
}

const SETTINGS: readonly {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  readonly flags: readonly string[]
  readonly drainTimeoutMs: number
}[] = [
  { name: 'alone is what counts', env: {}, flags: [], drainTimeoutMs: 7000 },
  {
    name: 'gives way to the environment',
    env: { TIDEGATE_DRAIN_TIMEOUT: '8s' },
    flags: [],
    drainTimeoutMs: 8000,
  },
  {
    name: 'and the environment give way to a flag',
    env: { TIDEGATE_DRAIN_TIMEOUT: '8s' },
    flags: ['--drain-timeout', '9s'],
    drainTimeoutMs: 9000,
  },
]

describe("a config file's drain timeout", () => {
  it.each(SETTINGS)('$name', async ({ env, flags, drainTimeoutMs }) => {
    const ends = testScope()
    const server = await startServer(ends, (socket) => socket.pipe(socket))
    const config = writeConfig(ends, server.port, 'drainTimeout: 7s\n')
    const gateway = startTidegate(ends, ['serve', config, ...flags], { env })
    const [address = ''] = (await listening(gateway)).values()
    expect(await drainTimeoutOf(ends, gateway, portIn(address), server)).toBe(drainTimeoutMs)
  })
})

/** The first line that it wrote, in whatever format. */
const firstLine = ({ daemon }: Gateway): string | undefined => /^(.+)\n/.exec(daemon.output())?.[1]

const LOG_SETTINGS: readonly {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  readonly flags: readonly string[]
  readonly says: RegExp
}[] = [
  { name: 'alone are what counts', env: {}, flags: [], says: /^\{"level":"info".*"msg":"listening"\}$/ },
  {
    name: 'give way to the environment',
    env: { TIDEGATE_LOG_FORMAT: 'pretty' },
    flags: [],
    says: /^\[.*INFO.*listening/,
  },
  {
    name: 'and the environment give way to flags',
    env: { TIDEGATE_LOG_FORMAT: 'pretty', TIDEGATE_LOG_LEVEL: 'error' },
    flags: ['--log-format', 'json', '--log-level', 'info'],
    says: /^\{"level":"info".*"msg":"listening"\}$/,
  },
]

describe("a config file's log level and format", () => {
  it.each(LOG_SETTINGS)('$name', async ({ env, flags, says }) => {
    const ends = testScope()
    const server = await startServer(ends, (socket) => socket.pipe(socket))
    const config = writeConfig(ends, server.port, 'log: { level: info, format: json }\n')
    const gateway = startTidegate(ends, ['serve', config, ...flags], { env })
    await eventually('the first line of the log', () => firstLine(gateway))
    expect(firstLine(gateway)).toMatch(says)
    expect(await gateway.finish()).toBe(0)
  })
})

describe('a mistake in the environment', () => {
  it('is named with its variable, and nothing is started', async () => {
    const { code, stderr } = await tidegate(['relay', `${LOOPBACK}:0`, `${LOOPBACK}:1`], {
      env: { TIDEGATE_IDLE_TIMEOUT: 'soon' },
    })
    expect(code, stderr).toBe(2)
    expect(stderr).toMatch(/^tidegate: .*TIDEGATE_IDLE_TIMEOUT.*'soon'.*\n$/)
  })
})

describe('an option of relay in the environment', () => {
  it('counts as the flag does', async () => {
    const ends = testScope()
    const server = await startServer(ends, (socket) => socket.resume())
    const args = ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:${server.port}`]
    const gateway = startTidegate(ends, args, {
      env: { TIDEGATE_IDLE_TIMEOUT: '200ms', TIDEGATE_NAME: 'front' },
    })
    const address = (await listening(gateway)).get('front')
    await dial(ends, portIn(address ?? ''))
    await firstSocket(server)
    expect(await gateway.closed(1)).toMatchObject([{ listener: 'front', reason: 'idle_timeout' }])
    expect(await gateway.finish()).toBe(0)
  })
})
