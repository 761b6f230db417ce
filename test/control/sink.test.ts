/** Gateways whose traffic goes to a sink of the program's own. */

import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { createGateway, type Gateway } from '../../src/control/gateway.js'
import type { GatewayOptions } from '../../src/control/hooks.js'
import { TidegateError } from '../../src/errors.js'
import type { CloseRecord, Sink, SinkRecord } from '../../src/ports/sink.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { LOOPBACK, startServer } from '../support/sockets.js'

const MIB = 1024 * 1024

class TestSink implements Sink {
  readonly where = 'test://here'
  readonly records: SinkRecord[] = []
  storedBytes = 0
  isAway = false
  closes = 0
  openError: TidegateError | null = null

  async open(): Promise<void> {
    if (this.openError !== null) throw this.openError
    if (this.isAway) throw new Error('away')
  }

  async write(batch: readonly SinkRecord[]): Promise<void> {
    if (this.isAway) throw new Error('away')
    for (const record of batch) {
      if (record.kind === 'data') this.storedBytes += record.bytes.length
      // Bytes would only fill the memory.
      this.records.push(record.kind === 'data' ? { ...record, bytes: new Uint8Array(0) } : record)
    }
  }

  async close(): Promise<void> {
    this.closes++
  }

  async closed(): Promise<CloseRecord> {
    return eventually('the close of a connection', () =>
      this.records.find((record): record is CloseRecord => record.kind === 'close'),
    )
  }
}

const serve = async (scope: Scope, onClient: (socket: Socket) => void): Promise<string> =>
  `${LOOPBACK}:${(await startServer(scope, onClient)).port}`

const startEcho = (scope: Scope) => serve(scope, (socket) => socket.pipe(socket))

/** A service that reads and says nothing. */
const startSilent = (scope: Scope) =>
  serve(scope, (socket) => socket.resume().once('end', () => socket.end()))

const lines = () => {
  const said: string[] = []
  const log = (_: unknown, message: string): void => void said.push(message)
  return { said, logger: { debug: () => {}, info: log, warn: log, error: log } }
}

const kindsOf = (records: readonly SinkRecord[], id: number): readonly string[] =>
  records.filter(({ connection }) => connection === id).map(({ kind }) => kind)

interface Started {
  readonly gateway: Gateway
  readonly port: number
  readonly spool: string
}

const start = async (
  scope: Scope,
  upstream: string,
  options: GatewayOptions,
  record: GatewayConfigInput['record'] = {},
  more: Partial<GatewayConfigInput> = {},
): Promise<Started> => {
  const spool = join(scope.tempDir(), 'spool')
  const gateway = await createGateway(
    {
      listeners: [{ name: 'one', listen: '127.0.0.1:0', upstream }],
      record: { spool: { dir: spool, size: '16MiB' }, ...record },
      drainTimeout: 0,
      ...more,
    },
    options,
  )
  scope.defer(() => gateway.destroy())
  const [listener] = gateway.listeners
  if (listener?.address.kind !== 'tcp') throw new Error('no port')
  return { gateway, port: listener.address.port, spool }
}

const BLOCK = Buffer.alloc(64 * 1024, 'spooled ')

/** Sends so many bytes as fast as they are taken, and ends. */
const flood = (port: number, bytes: number) => {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let left = bytes
  const send = (): void => {
    while (left > 0) {
      left -= BLOCK.length
      if (!socket.write(BLOCK)) {
        socket.once('drain', send)
        return
      }
    }
    socket.end()
  }
  send()
  return { socket, closed }
}

describe("a program's sink", () => {
  it.each([0, 2])(
    'gets what is recorded with %i workers, and is closed with the gateway',
    async (workers) => {
      const scope = testScope()
      const sink = new TestSink()
      const echo = await startEcho(scope)
      const { gateway, port, spool } = await start(scope, echo, { sink }, {}, { workers })
      const clients = Array.from({ length: 4 }, () => connect(port, '127.0.0.1'))
      for (const client of clients) {
        client.end('hello')
        client.resume()
        await once(client, 'close')
      }
      await within(10_000, 'the gateway to close', gateway.close())
      expect(sink.closes).toBe(1)
      // The client's FIN may come before the echo.
      for (const id of [1, 2, 3, 4])
        expect(kindsOf(sink.records, id).join(' ')).toMatch(/^open data (data fin|fin data) fin close$/)
      expect(gateway.counters().recording).toMatchObject({
        storedBytes: 40,
        sink: { spooledBytes: 0, deliveredRecords: 24, deliveryFailures: 0 },
      })
      expect(readdirSync(spool)).toEqual([])
    },
  )

  it('that is away gets it at the next start', async () => {
    const scope = testScope()
    const sink = new TestSink()
    sink.isAway = true
    const echo = await startEcho(scope)
    const { said, logger } = lines()
    const { gateway, port, spool } = await start(scope, echo, { sink, logger })
    const client = connect(port, '127.0.0.1')
    client.end('hello')
    client.resume()
    await once(client, 'close')
    await within(10_000, 'the gateway to close', gateway.close())
    expect(said.at(-1)).toMatch(
      /^\d+ bytes for 'test:\/\/here' wait in '.*': they are delivered at the next start$/,
    )
    const next = new TestSink()
    const again = await start(scope, echo, { sink: next }, { spool: { dir: spool } })
    await next.closed()
    await again.gateway.close()
    expect(next.storedBytes).toBe(10)
  })

  it('that the user has to mend keeps the gateway from starting; the spool is free for the next try', async () => {
    const scope = testScope()
    const sink = new TestSink()
    sink.openError = new TidegateError('usage', 'test://here has a newer schema', { fault: 'usage' })
    const spool = join(scope.tempDir(), 'spool')
    const record = { spool: { dir: spool } }
    await expect(start(scope, '127.0.0.1:1', { sink }, record)).rejects.toThrow(
      'test://here has a newer schema',
    )
    expect(sink.closes).toBe(1)
    sink.openError = null
    await start(scope, '127.0.0.1:1', { sink }, record)
  })

  it('shares its spool with no other gateway', async () => {
    const scope = testScope()
    const { spool } = await start(scope, '127.0.0.1:1', { sink: new TestSink() })
    const second = start(scope, '127.0.0.1:1', { sink: new TestSink() }, { spool: { dir: spool } })
    await expect(second).rejects.toThrow('another gateway has it')
  })

  it('needs a spool that can be used', async () => {
    const scope = testScope()
    const file = join(scope.tempDir(), 'file')
    writeFileSync(file, '')
    const started = start(scope, '127.0.0.1:1', { sink: new TestSink() }, { spool: { dir: file } })
    await expect(started).rejects.toMatchObject({ code: 'file_unwritable', fault: 'usage' })
  })

  it('is refused if it is none, or if what is recorded goes elsewhere', async () => {
    const scope = testScope()
    const none = { where: 'here', open: async () => {}, close: async () => {} }
    await expect(start(scope, '127.0.0.1:1', { sink: none as unknown as Sink })).rejects.toThrow(
      'sink.write: expected a sink: { where, open(), write(batch, signal), close() }',
    )
    const file = join(scope.tempDir(), 'x.pcapng')
    const elsewhere = start(scope, '127.0.0.1:1', { sink: new TestSink() }, { file })
    await expect(elsewhere).rejects.toThrow(
      "record.file: given, but the program's sink takes what is recorded",
    )
    const nowhere = start(scope, '127.0.0.1:1', { sink: new TestSink() }, undefined, { record: undefined })
    await expect(nowhere).rejects.toThrow('sink: given, but the config records nothing to it')
  })
})

describe('a spool that is full while the sink is away', () => {
  const TRAFFIC = 40 * MIB

  it('slows the traffic with overload: block, and nothing is lost', async () => {
    const scope = testScope()
    const sink = new TestSink()
    sink.isAway = true
    const upstream = await startSilent(scope)
    const { said, logger } = lines()
    const { gateway, port } = await start(scope, upstream, { sink, logger }, { bufferSize: '1MiB' })
    const { closed } = flood(port, TRAFFIC)
    await eventually('links to be held', () => (gateway.counters().recording?.holds ?? 0) > 0)
    await eventually('the spool to be full', () => said.some((line) => line.includes('is full')))
    expect(gateway.counters().recording?.seenBytes).toBeLessThan(24 * MIB)
    expect(gateway.counters().recording?.sink?.spooledBytes).toBeLessThanOrEqual(16 * MIB)
    sink.isAway = false
    await within(20_000, 'the traffic to end', closed)
    const close = await sink.closed()
    expect(close.upstream).toEqual({ seen: TRAFFIC, stored: TRAFFIC, lost: [] })
    expect(sink.storedBytes).toBe(TRAFFIC)
  })

  it('leaves bytes out with overload: drop, and the ledger says which', async () => {
    const scope = testScope()
    const sink = new TestSink()
    sink.isAway = true
    const upstream = await startSilent(scope)
    const record = { bufferSize: '1MiB', overload: 'drop' } as const
    const { port } = await start(scope, upstream, { sink }, record)
    const { closed } = flood(port, TRAFFIC)
    await within(20_000, 'the traffic to end', closed)
    sink.isAway = false
    const { upstream: ledger } = await sink.closed()
    const lost = ledger.lost.reduce((sum, { length }) => sum + length, 0)
    expect(ledger.seen).toBe(TRAFFIC)
    expect(lost).toBeGreaterThan(16 * MIB)
    expect(ledger.stored + lost).toBe(TRAFFIC)
    expect(sink.storedBytes).toBe(ledger.stored)
    expect(ledger.lost.map(({ why }) => why)).toContain('overload: dropped')
  })

  it('cuts the connection with overload: disconnect', async () => {
    const scope = testScope()
    const sink = new TestSink()
    sink.isAway = true
    const upstream = await startSilent(scope)
    const record = { bufferSize: '1MiB', overload: 'disconnect' } as const
    const { port } = await start(scope, upstream, { sink }, record)
    const { socket, closed } = flood(port, TRAFFIC)
    await within(20_000, 'the connection to be cut', closed)
    expect(socket.bytesWritten).toBeLessThan(TRAFFIC)
    sink.isAway = false
    const close = await sink.closed()
    expect(close.reason).toBe('error')
  })
})

describe('a spool whose disk fails', () => {
  it('is a failed write: traffic goes on, the loss is marked', async () => {
    const scope = testScope()
    const sink = new TestSink()
    const echo = await startEcho(scope)
    const { port, spool, gateway } = await start(scope, echo, { sink }, { minFree: '1000000GiB' })
    const client = connect(port, '127.0.0.1')
    client.write('hello')
    await once(client, 'data')
    await eventually('a failed write', () => (gateway.counters().recording?.writeFailures ?? 0) > 0)
    client.end()
    await once(client, 'close')
    await gateway.close()
    expect(gateway.counters().recording).toMatchObject({ seenBytes: 10, storedBytes: 0, lostBytes: 10 })
    expect(readdirSync(spool)).toEqual([])
  })
})
