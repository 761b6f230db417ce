/** Engines on several threads: one listener between them, connections that move, and threads that die. */

import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../../src/engine/linux/engine.js'
import type { SharedListener, ThreadedEngine } from '../../../../src/ports/engine.js'
import { startThread } from '../../../support/engine-thread.js'
import { eventually, type Scope, testScope } from '../../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const LOOPBACK = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const

const portOf = ({ address }: { readonly address: SharedListener['address'] }): number =>
  address.kind === 'tcp' ? address.port : 0

interface Client {
  readonly socket: Socket
  received: string
  /** '' in order, else the error's code; null while it is open. */
  closed: string | null
}

const clientOf = (scope: Scope, port: number): Client => {
  const socket = connect({ host: '127.0.0.1', port })
  const client: Client = { socket, received: '', closed: null }
  let code = ''
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? error.message
  })
  socket.on('data', (chunk) => {
    client.received += chunk.toString('latin1')
  })
  socket.on('close', () => {
    client.closed = code
  })
  scope.defer(() => socket.destroy())
  return client
}

const connected = async (clients: readonly Client[]): Promise<void> => {
  await eventually('every client is connected', () =>
    clients.every(({ socket }) => socket.readyState === 'open'),
  )
}

const mainEngine = (scope: Scope, ...seat: Parameters<typeof createLinuxEngine>): ThreadedEngine => {
  const engine = createLinuxEngine(...seat)
  scope.defer(() => engine.close())
  return engine
}

const echoes = async (client: Client, text: string): Promise<void> => {
  client.received = ''
  client.socket.write(text)
  await eventually(`${text} comes back`, () => client.received === text)
}

describe.skipIf(!isLinux)(`threads with an engine each${onLinux}`, () => {
  it('share a listener, and one that stops accepting resets nobody who waits', async () => {
    const scope = testScope()
    const main = mainEngine(scope)
    const listener = await main.bind({ address: LOOPBACK })
    const one = await startThread(scope, { listener, mode: 'echo' })
    const two = await startThread(scope, { listener, mode: 'echo' })
    await one.ask('pause')
    const first = [clientOf(scope, portOf(listener))]
    await eventually('the other accepts', () => two.accepted.length === 1)
    await two.ask('pause')
    const waiting = Array.from({ length: 100 }, () => clientOf(scope, portOf(listener)))
    await connected(waiting)
    await one.ask('stop')
    expect(waiting.filter(({ closed }) => closed !== null)).toEqual([])
    two.tell('resume')
    await eventually('who waited is served', () => two.accepted.length === 101)
    for (const client of [...first, ...waiting]) await echoes(client, 'hello')
    expect(one.accepted).toEqual([])
  })

  it('pass a connection on, with what it has sent meanwhile', async () => {
    const scope = testScope()
    const main = mainEngine(scope)
    const listener = await main.bind({ address: LOOPBACK })
    const thread = await startThread(scope, { listener, mode: 'greet' })
    const client = clientOf(scope, portOf(listener))
    client.socket.write('first')
    const loose = await eventually('the thread gives the connection away', () => thread.loose[0])
    expect(Buffer.from(thread.read[0] ?? []).toString()).toBe('f')
    client.socket.write(' and more')
    const conn = main.receive(loose)
    expect(conn.remote).toEqual({ kind: 'tcp', host: '127.0.0.1', port: client.socket.localPort })
    expect(conn.local).toEqual(listener.address)
    let got = ''
    while (got.length < 13) got += Buffer.from(await conn.read(100, 5000)).toString()
    expect(got).toBe('irst and more')
    await conn.write(Buffer.from('hello from main'))
    await eventually('the client reads', () => client.received === 'hello from main')
    conn.destroy()
    await eventually('the client sees the end', () => client.closed === '')
  })
})
