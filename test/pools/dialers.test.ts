import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ConnectionPool } from '../../src/pools/connection-pool.js'
import { tlsDialer } from '../../src/pools/dialers.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { LOOPBACK, portOf, startServer } from '../support/sockets.js'

/** A self-signed certificate for `localhost`, made for tests alone. */
const pem = (name: string): Buffer =>
  readFileSync(new URL(`../engine/portable/tls/${name}.pem`, import.meta.url))
const cert = pem('cert')

const startTls = async (scope: Scope): Promise<{ port: number; server: Server; names: unknown[] }> => {
  const names: unknown[] = []
  const server = createServer({ cert, key: pem('key') }, (socket) => {
    names.push(socket.servername)
    socket.on('error', () => {})
    socket.pipe(socket)
    scope.defer(() => socket.destroy())
  }).listen(0, LOOPBACK)
  await once(server, 'listening')
  scope.defer(() => server.close())
  return { port: portOf(server), server, names }
}

describe('the TLS dialer', () => {
  it('gives connections whose handshake is done, and they are reused', async () => {
    const scope = testScope()
    const { port, names } = await startTls(scope)
    const dial = tlsDialer({ ca: cert })
    const pool = new ConnectionPool({ address: `localhost:${port}`, dial, min: 1 })
    scope.defer(() => pool.destroy())
    await eventually('one to be warm', () => pool.counters().idle === 1)
    for (let i = 0; i < 20; i++) {
      const answer = await pool.use(async (socket) => {
        expect(socket.authorized).toBe(true)
        socket.write(`secret ${i}`)
        return String((await once(socket, 'data'))[0])
      })
      expect(answer).toBe(`secret ${i}`)
    }
    // One was topped up when the first was taken.
    expect(pool.counters()).toMatchObject({ created: 2, discarded: 0, reused: 19 })
    expect(names).toEqual(['localhost', 'localhost'])
  })

  it('says which certificate it does not trust, and where', async () => {
    const scope = testScope()
    const { port } = await startTls(scope)
    const pool = new ConnectionPool({ address: `localhost:${port}`, dial: tlsDialer() })
    await expect(pool.acquire()).rejects.toMatchObject({
      code: 'dial_failed',
      where: `localhost:${port}`,
      message: expect.stringMatching(/^cannot connect to localhost:\d+: self-signed certificate/),
    })
    await pool.destroy()
  })

  it('gives up a server that accepts and then says nothing', async () => {
    const scope = testScope()
    const silent = await startServer(scope, () => {})
    const pool = new ConnectionPool({
      address: `${LOOPBACK}:${silent.port}`,
      dial: tlsDialer({ ca: cert }),
      connectTimeoutMs: 50,
    })
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'dial_timeout' })
    await eventually('the server to see it leave', () => {
      for (const socket of silent.sockets) socket.resume().end()
      return silent.sockets.size === 0
    })
    await pool.destroy()
  })
})
