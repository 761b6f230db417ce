import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { payload } from '../support/payload.js'
import { expectSameBytes, expectSound, listConnections } from '../support/recording.js'
import { testScope, within } from '../support/scope.js'
import { dial, exchange, LOOPBACK, startServer } from '../support/sockets.js'
import { listening, portIn, startTidegate, tidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'

const MESSAGES = {
  web: payload(50, 700_000),
  socket: payload(51, 300_000),
  unrecorded: Buffer.from('between us'),
}

describeWith(['tshark'], 'a gateway of a config file', () => {
  it('serves TCP and unix-socket listeners at once and records those that want it', async () => {
    const ends = testScope()
    const directory = ends.tempDir()
    const echo = await startServer(ends, (socket) => socket.pipe(socket))
    const config = join(directory, 'tidegate.yaml')
    writeFileSync(
      config,
      `listeners:
  - name: web
    listen: ${LOOPBACK}:0
    upstream: echo
  - name: socket
    listen: unix:${directory}/echo.sock
    upstream: echo
  - name: unrecorded
    listen: ${LOOPBACK}:0
    upstream: ${LOOPBACK}:${echo.port}
    record: false
upstreams:
  echo:
    endpoints:
      - unix:${directory}/nobody.sock
      - ${LOOPBACK}:${echo.port}
record:
  file: both.pcapng
timeouts:
  connect: 2s
`,
    )
    const checked = await tidegate(['check', config])
    expect(checked.code, checked.stderr).toBe(0)

    const gateway = startTidegate(ends, ['serve', config])
    const addresses = await listening(gateway, 3)
    const overTcp = async (name: 'web' | 'unrecorded'): Promise<void> => {
      const socket = await dial(ends, portIn(addresses.get(name) ?? ''))
      expectSameBytes(await exchange(socket, MESSAGES[name]), MESSAGES[name], `the reply through ${name}`)
    }
    await overTcp('web')
    expect(addresses.get('socket')).toBe(`unix:${directory}/echo.sock`)
    const socket = connect({ path: join(directory, 'echo.sock'), allowHalfOpen: true })
    ends.defer(() => socket.destroy())
    await within(5000, 'the unix socket to accept', once(socket, 'connect'))
    expectSameBytes(await exchange(socket, MESSAGES.socket), MESSAGES.socket, 'the reply through socket')
    await overTcp('unrecorded')

    const closed = await gateway.closed(3)
    // Each worker tells its own in order.
    expect(closed.map(({ listener, reason }) => `${listener} ${reason}`).sort()).toEqual([
      'socket client_fin',
      'unrecorded client_fin',
      'web client_fin',
    ])
    expect(await gateway.finish()).toBe(0)
    expect(existsSync(join(directory, 'echo.sock'))).toBe(false)

    const file = join(directory, 'both.pcapng')
    const listed = await listConnections(file)
    expect(listed.map(({ listener }) => listener).sort()).toEqual(['socket', 'web'])
    const streams = await expectSound(file, [1, 2])
    for (const listener of ['web', 'socket'] as const) {
      const stream = streams.get(listed.find((one) => one.listener === listener)?.connection ?? 0)!
      expectSameBytes(stream.upstream, MESSAGES[listener], `${listener} upstream`)
      expectSameBytes(stream.downstream, MESSAGES[listener], `${listener} downstream`)
    }
  }, 60_000)

  it('does not start with a config of several mistakes, and names each with its path', async () => {
    const config = join(testScope().tempDir(), 'tidegate.yaml')
    writeFileSync(
      config,
      `listeners:
  - name: web
    listn: ${LOOPBACK}:0
    upstream: nowhere
    timeouts: { idle: soon }
drainTimeout: 5
`,
    )
    for (const command of ['check', 'serve']) {
      const { code, stderr, stdout } = await tidegate([command, config], { timeoutMs: 15_000 })
      expect(code, stderr).toBe(2)
      expect(stdout.toString()).toBe('')
      expect(stderr).toMatch(/listeners\[0\]: unknown key 'listn'.*'listen'/)
      expect(stderr).toMatch(/listeners\[0\]\.timeouts\.idle/)
      expect(stderr).toMatch(/drainTimeout/)
      expect(stderr).not.toMatch(/^\s*at /m)
    }
  })
})
