/** Engines on several threads: one listener between them, connections that move, and threads that die. */

import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../../src/engine/linux/engine.js'
import { createDescriptorLedger } from '../../../../src/engine/linux/ffi/ledger.js'
import { haltEngine, haltEnginesAtExit } from '../../../../src/engine/linux/halt.js'
import { closeDescriptorsOf } from '../../../../src/engine/linux/left-open.js'
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

  it('leave descriptors when one dies, which are closed; the connections of others do not notice', async () => {
    const scope = testScope()
    const ledger = createDescriptorLedger()
    const main = mainEngine(scope, { ledger, owner: 0 })
    const listener = await main.bind({ address: LOOPBACK })
    const doomed = await startThread(scope, { seat: { ledger, owner: 1 }, listener, mode: 'echo' })
    const spared = await startThread(scope, { seat: { ledger, owner: 2 }, listener, mode: 'echo' })
    const clientsOf = async (thread: typeof doomed, other: typeof doomed): Promise<Client[]> => {
      await other.ask('pause')
      const clients = Array.from({ length: 20 }, () => clientOf(scope, portOf(listener)))
      await eventually('they are accepted', () => thread.accepted.length === 20)
      other.tell('resume')
      return clients
    }
    const lost = await clientsOf(doomed, spared)
    const kept = await clientsOf(spared, doomed)
    for (const client of [...lost, ...kept]) await echoes(client, 'before')
    doomed.tell('throw')
    await doomed.exited()
    expect(doomed.errors.map(({ message }) => message)).toEqual(['made to throw'])
    const died = performance.now()
    // Its connections, and its own descriptor of the listener.
    expect(closeDescriptorsOf(ledger, 1)).toBe(21)
    await eventually('its clients see a close', () => lost.every(({ closed }) => closed !== null))
    expect(performance.now() - died).toBeLessThan(1000)
    for (const client of kept) await echoes(client, 'after')
    expect(closeDescriptorsOf(ledger, 1)).toBe(0)
  })

  it.each(['throw', 'reject', 'exit'])(
    'end by themselves when told to %s, whatever they were doing',
    async (how) => {
      const scope = testScope()
      const ledger = createDescriptorLedger()
      const main = mainEngine(scope, { ledger, owner: 0 })
      const listener = await main.bind({ address: LOOPBACK })
      const thread = await startThread(scope, { seat: { ledger, owner: 1 }, listener, mode: 'echo' })
      const client = clientOf(scope, portOf(listener))
      client.socket.on('data', (chunk) => client.socket.write(chunk))
      client.socket.write('x')
      await eventually('it is busy', () => client.received.length > 100)
      const asked = performance.now()
      thread.tell(how)
      expect(await thread.exited()).toBe(how === 'exit' ? 3 : 1)
      closeDescriptorsOf(ledger, 1)
      await eventually('the client sees a close', () => client.closed !== null)
      expect(performance.now() - asked).toBeLessThan(1000)
    },
  )

  it('end by themselves once nothing is open, though the engine was never closed', async () => {
    const scope = testScope()
    const main = mainEngine(scope)
    const listener = await main.bind({ address: LOOPBACK })
    const thread = await startThread(scope, { listener, mode: 'echo' })
    const client = clientOf(scope, portOf(listener))
    await echoes(client, 'hello')
    await thread.ask('leaveAlone')
    thread.tell('stop')
    // Its listener is closed, but the connection keeps it going.
    await echoes(client, 'still here')
    client.socket.end()
    expect(await thread.exited()).toBe(0)
  })

  it('halted and terminated in the midst of work, take nobody along, and their seat can be taken again', async () => {
    const scope = testScope()
    const ledger = createDescriptorLedger()
    const main = mainEngine(scope, { ledger, owner: 0 })
    const listener = await main.bind({ address: LOOPBACK })
    for (let round = 0; round < 3; round++) {
      const seat = { ledger, owner: 1 }
      const thread = await startThread(scope, { seat, listener, mode: 'echo' })
      const client = clientOf(scope, portOf(listener))
      client.socket.on('data', (chunk) => client.socket.write(chunk))
      client.socket.write('x')
      await eventually('it is busy', () => client.received.length > 100)
      expect(haltEngine(ledger, 1)).toBe(true)
      await thread.worker.terminate()
      closeDescriptorsOf(ledger, 1)
      await eventually('the client sees a close', () => client.closed !== null)
    }
  })

  it('leave no listener on the process once they are closed, and need not be halted at exit any more', async () => {
    const before = process.listenerCount('exit')
    const ledger = createDescriptorLedger()
    const engines = [0, 1, 2].map((owner) => createLinuxEngine({ ledger, owner }))
    const undo = haltEnginesAtExit(ledger)
    expect(process.listenerCount('exit')).toBe(before + 1)
    undo()
    for (const engine of engines) await engine.close()
    expect(process.listenerCount('exit')).toBe(before)
    expect(closeDescriptorsOf(ledger, 0)).toBe(0)
  })

  it('cannot have the same seat at the same time', () => {
    const scope = testScope()
    const ledger = createDescriptorLedger()
    mainEngine(scope, { ledger, owner: 5 })
    expect(() => createLinuxEngine({ ledger, owner: 5 })).toThrow('no engine can have seat 5')
    expect(() => createLinuxEngine({ ledger, owner: 512 })).toThrow('no engine can have seat 512')
    expect(haltEngine(ledger, 6)).toBe(true)
    expect(() => createLinuxEngine({ ledger, owner: 6 })).toThrow('no engine can have seat 6')
  })
})
