/** Many connections, ended in every way: the process is afterwards what it was before. */

import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import type { Address } from '../../../core/address.js'
import type { Conn, LinkEnd } from '../../../ports/engine.js'
import { deferred, until, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { NO_LIMITS, type Scene, type Upstream } from '../scene.js'
import { openSockets } from '../system.js'

const CONNECTIONS = 10_000
const AT_ONCE = 100

const ENDINGS = [
  'client_fin',
  'upstream_fin',
  'client_reset',
  'upstream_reset',
  'destroy mid-transfer',
  'interrupt',
  'cancelled dial',
] as const

type Ending = (typeof ENDINGS)[number]

/** Waits for the conn of a given client: clients are accepted in any order. */
class Acceptor {
  readonly #byPort = new Map<number, (conn: Conn) => void>()
  readonly #early = new Map<number, Conn>()

  accept(conn: Conn): void {
    const port = conn.remote.kind === 'tcp' ? conn.remote.port : 0
    const waiting = this.#byPort.get(port)
    if (waiting === undefined) this.#early.set(port, conn)
    else waiting(conn)
    this.#byPort.delete(port)
  }

  from(port: number): Promise<Conn> {
    const early = this.#early.get(port)
    this.#early.delete(port)
    if (early !== undefined) return Promise.resolve(early)
    const waiting = deferred<Conn>()
    this.#byPort.set(port, waiting.resolve)
    return within(waiting.promise, 'the client is accepted')
  }
}

const connected = async (address: Address): Promise<Socket> => {
  const socket = new Socket()
  socket.on('error', () => {})
  const up = deferred<void>()
  socket.once('connect', up.resolve)
  socket.once('close', () => up.reject(new Error('not connected')))
  if (address.kind === 'tcp') socket.connect({ host: address.host, port: address.port })
  await within(up.promise, 'the client connects')
  return socket
}

/** Sends a byte through and back, so that both outer ends are known to be there. */
const exchange = async (client: Socket): Promise<void> => {
  const echoed = deferred<void>()
  client.once('data', () => echoed.resolve())
  client.write('x')
  await within(echoed.promise, 'the echo')
}

const live = async (
  scene: Scene,
  at: Address,
  upstream: Upstream,
  acceptor: Acceptor,
  ending: Ending,
): Promise<void> => {
  const client = await connected(at)
  const clientConn = await acceptor.from(client.localPort ?? 0)
  if (ending === 'cancelled dial') {
    scene.engine.dial(upstream.address, { timeoutMs: 5000 }, () => assert.fail('done after cancel')).cancel()
    client.destroy()
    clientConn.destroy()
    return
  }
  const upstreamConn = await scene.dial(upstream.address)
  const over = deferred<LinkEnd>()
  const link = scene.engine.link(
    clientConn,
    upstreamConn,
    { onEnd: over.resolve },
    { ...NO_LIMITS, idleTimeoutMs: 60_000 },
  )
  await exchange(client)
  if (ending === 'client_fin') client.end()
  else if (ending === 'upstream_fin') client.end('F')
  else if (ending === 'client_reset') client.resetAndDestroy()
  else if (ending === 'upstream_reset') client.write('R')
  else if (ending === 'destroy mid-transfer') {
    client.write(Buffer.alloc(100_000))
    link.destroy('killed')
  } else {
    await within(link.interrupt(5000), 'the interrupt')
    clientConn.destroy()
    upstreamConn.destroy()
  }
  const end = await within(over.promise, `the link ends (${ending})`)
  if (ending === 'client_reset' || ending === 'upstream_reset') assert.equal(end.reason, ending)
  client.destroy()
}

/** Echoes; ends on 'F', resets on 'R'. */
const serve = async (upstream: Upstream, isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    const { socket } = await upstream.accepted()
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('R')) socket.resetAndDestroy()
      else if (chunk.includes('F')) socket.end()
      else if (!socket.writableEnded) socket.write(chunk)
    })
    socket.on('end', () => socket.end())
  }
}

const counted = openSockets() === null ? ' (open descriptors not checked here: this system has no /proc)' : ''

export const enduranceCases: readonly CaseTemplate[] = [
  engineCase(
    `after ${CONNECTIONS.toLocaleString('en')} connections, ended in every way, as many descriptors are open as before${counted}`,
    async (scene) => {
      const upstream = await scene.upstream()
      const acceptor = new Acceptor()
      const listening = await scene.engine.listen(
        { address: { kind: 'tcp', host: '127.0.0.1', port: 0 } },
        (conn) => acceptor.accept(conn),
      )
      const before = openSockets()
      let isOver = false
      const serving = serve(upstream, () => isOver)
      for (let done = 0; done < CONNECTIONS; done += AT_ONCE) {
        await Promise.all(
          Array.from({ length: AT_ONCE }, (_, i) =>
            live(
              scene,
              listening.address,
              upstream,
              acceptor,
              ENDINGS[(done + i) % ENDINGS.length] ?? 'client_fin',
            ),
          ),
        )
      }
      isOver = true
      const last = await connected(upstream.address)
      await serving
      last.destroy()
      if (before !== null) await until(() => (openSockets() ?? 0) <= before, 'every descriptor is closed')
    },
    120_000,
  ),
]
