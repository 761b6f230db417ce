import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { errnoOf } from '../../src/errors.js'
import { payload } from '../support/payload.js'
import { expectSameBytes, expectSound, rawStream } from '../support/recording.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { dial, firstSocket, freePort, readAll, startServer } from '../support/sockets.js'
import { type ListeningGateway, startRecorder, startRelay } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'

const FIRST = payload(40, 1024 ** 2)
const REST = payload(41, 16 * 1024 ** 2)

const isRefused = (scope: Scope, port: number): Promise<boolean> =>
  dial(scope, port).then(
    // Workers stop a moment after they were told to: whoever came in between is not to be waited for.
    (socket) => {
      socket.destroy()
      return false
    },
    (error: unknown) => errnoOf(error) === 'ECONNREFUSED',
  )

type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/** Sends the signal, and resolves once the gateway accepts nobody any more. */
const beginDrain = async (gateway: ListeningGateway, signal: StopSignal = 'SIGTERM'): Promise<void> => {
  gateway.daemon.child.kill(signal)
  await gateway.lines('that it drains', ({ msg }) => /drain/.test(msg))
}

describeWith(['tshark'], 'a recording gateway that is told to stop', () => {
  // A closed terminal is a SIGHUP.
  it.each<[StopSignal]>([['SIGTERM'], ['SIGHUP']])(
    'by %s lets an open transfer finish, accepts nobody new, and ends with exit code 0',
    async (signal) => {
      const ends = testScope()
      const server = await startServer(ends, (socket) => socket.write(FIRST))
      const gateway = await startRecorder(ends, server.port)
      const client = await dial(ends, gateway.port)
      const everything = readAll(client)
      await once(client, 'data')

      await beginDrain(gateway, signal)
      await eventually('new clients to be refused', () => isRefused(ends, gateway.port))
      const upstream = await firstSocket(server)
      upstream.end(REST)
      expectSameBytes(await everything, Buffer.concat([FIRST, REST]), 'what the client got')
      client.end()
      expect((await within(10_000, 'the gateway to end', gateway.daemon.exited)).code).toBe(0)
      await expectSound(gateway.file)
      expectSameBytes(
        await rawStream(gateway.file, 1, 'downstream'),
        Buffer.concat([FIRST, REST]),
        'what was recorded',
      )
    },
    60_000,
  )
})

describe('a gateway that is told to stop as soon as it listens', () => {
  it.each<[StopSignal]>([['SIGTERM'], ['SIGINT'], ['SIGHUP']])(
    'by %s ends with exit code 0',
    async (signal) => {
      const gateway = await startRelay(testScope(), await freePort())
      gateway.daemon.child.kill(signal)
      expect(await within(5000, 'the gateway to end', gateway.daemon.exited)).toEqual({
        code: 0,
        signal: null,
      })
      expect(gateway.log.at(-1)?.msg).toBe('closed')
    },
  )
})

describe('SIGTERM to a gateway with a connection that stays', () => {
  it('cuts it when the drain timeout is over, and ends with exit code 0', async () => {
    const ends = testScope()
    const server = await startServer(ends, (socket) => socket.resume())
    const gateway = await startRelay(ends, server.port, ['--drain-timeout', '300ms'])
    const client = await dial(ends, gateway.port)
    const gone = once(client, 'end')
    await firstSocket(server)
    client.resume()
    expect(await gateway.finish()).toBe(0)
    expect(await gateway.closed(1)).toMatchObject([{ reason: 'drained' }])
    await gone
  })

  it.each<[StopSignal, number]>([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ])('a second signal, %s, ends it at once', async (second, code) => {
    const ends = testScope()
    const server = await startServer(ends, (socket) => socket.resume())
    const gateway = await startRelay(ends, server.port, ['--drain-timeout', '10m'])
    await dial(ends, gateway.port)
    await firstSocket(server)
    await beginDrain(gateway)
    expect(gateway.daemon.isRunning()).toBe(true)
    gateway.daemon.child.kill(second)
    expect((await within(5000, 'the gateway to end', gateway.daemon.exited)).code).toBe(code)
  })
})
