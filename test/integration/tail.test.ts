import { join } from 'node:path'
import { expect, it } from 'vitest'
import { eventually, testScope, within } from '../support/scope.js'
import { dial, exchange, startServer } from '../support/sockets.js'
import { startRecorder, startTidegate } from '../support/tidegate.js'

it('tail shows what a gateway records right now, and the gateway sums it up in the end', async () => {
  const scope = testScope()
  const server = await startServer(scope, (socket) => socket.pipe(socket))
  const file = join(scope.tempDir(), 'echo.pcapng')
  const gateway = await startRecorder(scope, server.port, { file })
  const { daemon, noise } = startTidegate(scope, ['tail', file, '--json'])
  const shown: string[] = []
  daemon.child.stdout?.on('data', (chunk: Buffer) => shown.push(chunk.toString()))
  await eventually('tail to follow', () => noise.some((line) => line.includes('following')), 20_000)

  const socket = await dial(scope, gateway.port)
  expect(await exchange(socket, Buffer.from('hello'))).toEqual(Buffer.from('hello'))
  await gateway.closed(1)
  await eventually('tail to show it', () => shown.join('').endsWith('\n'), 20_000)
  expect(JSON.parse(shown.join(''))).toMatchObject({
    kind: 'close',
    bytes: { upstream: 5, downstream: 5 },
    lost: { upstream: 0, downstream: 0 },
    reason: 'client_fin',
  })

  daemon.child.kill('SIGINT')
  expect(await within(20_000, 'tail to end', daemon.exited)).toMatchObject({ code: 0 })
  expect(await gateway.finish()).toBe(0)
  expect(gateway.log.at(-1)?.msg).toBe(`recorded 1 connection, 10 B (0 B lost) to ${file}`)
}, 90_000)
