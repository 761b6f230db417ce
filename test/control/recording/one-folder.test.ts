/** A client whose folder cannot be written costs nobody else: neither bytes, nor endings, nor, where losses disconnect, their connections. */

import { symlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { payload } from '../../support/payload.js'
import { expectSameBytes } from '../../support/recording.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { exchange, LOOPBACK } from '../../support/sockets.js'
import { expectExact, startDiskGateway, verify } from './full-disk/rig.js'

const BAD = '127.0.0.2'
const GOOD = '127.0.0.3'
const BYTES = 150_000

const dialFrom = async (scope: Scope, localAddress: string, port: number): Promise<Socket> => {
  const socket = connect({ host: LOOPBACK, port, localAddress })
  scope.defer(() => void socket.destroy())
  socket.on('error', () => {})
  await eventually('it to be connected', () => !socket.connecting)
  return socket
}

// Elsewhere only 127.0.0.1 is there.
describe.skipIf(process.platform !== 'linux')('a client whose folder leads out', { retry: 0 }, () => {
  it.each([
    ['continue', 0],
    ['disconnect', 0],
    ['continue', 2],
  ] as const)('with onFailure %s and %d workers loses its own bytes alone', async (onFailure, workers) => {
    const scope = testScope()
    const [folder, outside] = [scope.tempDir(), scope.tempDir()]
    symlinkSync(outside, join(folder, BAD))
    const record = { file: `${folder}/{client}/x.pcapng`, rotate: { size: '128KiB' }, onFailure }
    const gateway = await startDiskGateway(scope, record, { workers })
    const { port, ended, messages, recording } = gateway

    const bad = await dialFrom(scope, BAD, port)
    bad.on('data', () => {}).end(payload(1, 1000))
    await gateway.failing()
    for (let n = 0; n < 4; n++) {
      // Longer than what waits is tried again.
      const good = await dialFrom(scope, GOOD, port)
      const bytes = payload(2 + n, BYTES)
      expectSameBytes(await exchange(good, bytes), bytes, `what connection ${n} sent`)
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
    await eventually('all to be over', () => ended.length === 5)
    const ledger = await gateway.finish()
    expectExact(ledger)
    expect(ledger).toMatchObject({ storedBytes: 4 * 2 * BYTES, unclosed: 1 })
    expect(ledger.lostBytes).toBe(ledger.seenBytes - 4 * 2 * BYTES)
    expect(recording().connections).toBe(5)
    const reasons = ended.filter(({ client }) => 'host' in client && client.host === GOOD)
    expect(reasons.map(({ reason }) => reason)).toEqual(Array(4).fill('client_fin'))
    expect(messages('fails, bytes are lost')).toEqual([
      `the recording to '${folder}/{client}/x.pcapng' fails, bytes are lost: write failed: '${BAD}/': a link leads out of its folder`,
    ])
    expect(messages('works again')).toEqual([])
    expect(await verify(folder)).toMatchObject({ ok: true, connections: 4, unfinished: 0, holes: 0 })
  })
})
