import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createPortableEngine } from '../../../src/engine/portable/engine.js'
import type { Conn } from '../../../src/ports/engine.js'
import { eventually, testScope } from '../../support/scope.js'
import { LOOPBACK, startServer } from '../../support/sockets.js'

const engineOf = (connections: number) => {
  const ends = testScope()
  const engine = createPortableEngine()
  ends.defer(() => engine.close())
  engine.budget({ connections, waiting: 1, kept: 0 })
  const dialled = (port: number): Promise<Conn> =>
    new Promise((resolve, reject) => {
      engine.dial({ kind: 'tcp', host: LOOPBACK, port }, { timeoutMs: 5000 }, (error, conn) => {
        if (conn === null) reject(error)
        else resolve(conn)
      })
    })
  return { ends, engine, dialled }
}

describe('a portable engine whose places are taken', () => {
  it('asks for idle connections before it keeps a client waiting, holds a few that find none, and serves those first', async () => {
    const { ends, engine, dialled } = engineOf(4)
    const upstream = await startServer(ends, () => {})
    const idle = [await dialled(upstream.port), await dialled(upstream.port), await dialled(upstream.port)]
    expect(engine.hasSpare()).toBe(false)
    const asked: number[] = []
    engine.onShortage(() => {
      asked.push(idle.length)
      for (const conn of idle.splice(0, 1)) conn.destroy()
    })
    const clients: Conn[] = []
    const accepted = (client: Conn): void => void clients.push(client)
    const listening = await engine.listen({ address: { kind: 'tcp', host: LOOPBACK, port: 0 } }, accepted)
    const { address } = listening
    if (address.kind !== 'tcp') throw new Error('not TCP')
    const join = (): (() => boolean) => {
      let isReset = false
      const socket = connect(address.port, LOOPBACK).on('error', () => (isReset = true))
      ends.defer(() => socket.destroy())
      return () => isReset
    }

    join()
    await eventually('the first client', () => clients.length === 1)
    // Two descriptors for it, and two that are idle.
    expect(asked).toEqual([3])
    join()
    await eventually('the second in place of those', () => clients.length === 2)
    expect(idle).toEqual([])
    const third = join()
    await eventually('nobody to be left who could give way', () => asked.includes(0))
    const fourth = join()
    await eventually('the fourth to be reset', fourth)
    expect({ served: clients.length, isReset: third() }).toEqual({ served: 2, isReset: false })
    clients[0]?.destroy()
    await eventually('the one that was held', () => clients.length === 3)
    expect(third()).toBe(false)
  })
})
