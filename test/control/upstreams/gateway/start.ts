/** A gateway with one upstream `it`, services that say who they are, and clients that know whom they reached. */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { GatewayConfigInput } from '../../../../src/config/config.js'
import { createGateway, type Gateway } from '../../../../src/control/gateway.js'
import type { GatewayOptions } from '../../../../src/control/hooks.js'
import type { UpstreamStatus } from '../../../../src/control/upstreams/managed-upstream.js'
import { type Address, formatAddress } from '../../../../src/core/address.js'
import type { ConnectionRecord } from '../../../../src/core/session/record.js'
import type { Logger } from '../../../../src/ports/logger.js'
import { eventually, type Scope, testScope, within } from '../../../support/scope.js'
import { SETTING } from '../../../support/setting.js'
import { LOOPBACK } from '../../../support/sockets.js'
import type { UpstreamInput } from '../fake-engine.js'

/** Threads that choose endpoints, each by itself. */
export const PLANES = Math.max(1, SETTING.workers)

export interface Service {
  readonly address: string
  readonly port: number
  readonly sockets: ReadonlySet<Socket>
  /** Connections so far. */
  readonly accepted: number
  /** Ends it with all its connections; `start` brings it back at the same address. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Accepts nobody any more; its connections go on. */
  refuse(): void
}

/** It greets with its name, then sends back whatever comes, and ends when the other side does. */
const greeting = (name: string) => (socket: Socket) => {
  socket.write(`${name}\n`)
  socket.pipe(socket)
}

export const startService = async (
  scope: Scope,
  name: string,
  { host = LOOPBACK, port = 0, onSocket = greeting(name) } = {},
): Promise<Service> => {
  const sockets = new Set<Socket>()
  let accepted = 0
  let bound = port
  let server = createServer()
  const start = async (): Promise<void> => {
    server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      accepted++
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
      onSocket(socket)
    }).listen(bound, host, 4096)
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('it has no port')
    bound = address.port
  }
  const stop = async (): Promise<void> => {
    if (server.listening) server.close()
    for (const socket of sockets) socket.destroy()
    await eventually('the service to end', () => sockets.size === 0)
  }
  await start()
  scope.defer(stop)
  return {
    address: `${host}:${bound}`,
    port: bound,
    sockets,
    get accepted() {
      return accepted
    },
    start,
    stop,
    refuse: () => void server.close(),
  }
}

export interface Client {
  readonly socket: Socket
  /** Whom it reached; null: nobody. */
  readonly reached: string | null
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface Start extends GatewayOptions {
  readonly scope?: Scope
  readonly listener?: Partial<GatewayConfigInput['listeners'][number]>
  readonly top?: Partial<GatewayConfigInput>
}

const portOf = (address: Address | undefined): number => {
  if (address?.kind !== 'tcp') throw new Error('it listens on TCP')
  return address.port
}

export const start = async (
  upstream: UpstreamInput,
  { scope = testScope(), listener, top, ...options }: Start = {},
) => {
  const records: ConnectionRecord[] = []
  const lines: LogLine[] = []
  const log =
    (level: string) =>
    (fields: object, message = ''): void =>
      void lines.push({ level, message, fields: { ...fields } })
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const config = (changed: UpstreamInput, more: Partial<GatewayConfigInput> = {}): GatewayConfigInput => ({
    ...SETTING,
    listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream: 'it', ...listener }],
    upstreams: { it: changed },
    ...top,
    ...more,
  })
  const gateway: Gateway = await createGateway(config(upstream), {
    logger,
    ...options,
    observers: [{ onClose: (record) => void records.push(record) }],
  })
  scope.defer(() => gateway.destroy())
  const port = portOf(gateway.listeners[0]?.address)
  const attempt = (localAddress = LOOPBACK): Socket => {
    const socket = connect({ port, host: LOOPBACK, localAddress, allowHalfOpen: true, noDelay: true })
    socket.on('error', () => {})
    scope.defer(() => socket.destroy())
    return socket
  }
  /** Resolves when it is greeted or turned away. */
  const client = async (localAddress?: string): Promise<Client> => {
    const socket = attempt(localAddress)
    const reached = await within(30_000, 'a greeting, or an end', greetingOf(socket))
    return { socket, reached }
  }
  /** Those of `count` clients, one after the other, each gone before the next comes unless they `stay`. */
  const clients = async (count: number, stay: 'stay' | 'go' = 'go'): Promise<readonly (string | null)[]> => {
    const names: (string | null)[] = []
    for (let n = 0; n < count; n++) {
      const { socket, reached } = await client()
      names.push(reached)
      if (stay === 'go') await gone(socket)
    }
    return names
  }
  return {
    scope,
    gateway,
    port,
    records,
    lines,
    config,
    attempt,
    client,
    clients,
    reload: (changed: UpstreamInput, more?: Partial<GatewayConfigInput>) =>
      gateway.reload(config(changed, more)),
    status: () => statusOf(gateway),
    /** By address. */
    endpoint: (address: string) => {
      const found = statusOf(gateway).endpoints.find((each) => formatAddress(each.address) === address)
      if (found === undefined) throw new Error(`${address} is no endpoint`)
      return found
    },
    record: (n: number) => eventually(`${n + 1} connections have ended`, () => records[n]),
    line: (message: string) =>
      eventually(message, () => lines.find((line) => line.message.includes(message))),
  }
}

const statusOf = (gateway: Gateway): UpstreamStatus => {
  const status = gateway.counters().upstreams.it
  if (status === undefined) throw new Error('there is no such upstream')
  return status
}

/** The first line that comes, without taking more than that. */
export const greetingOf = (socket: Socket): Promise<string | null> =>
  new Promise((resolve) => {
    let text = ''
    const onData = (bytes: Buffer): void => {
      text += String(bytes)
      if (!text.includes('\n')) return
      socket.off('data', onData)
      socket.resume()
      resolve(text.split('\n')[0] ?? '')
    }
    socket.on('data', onData)
    socket.once('close', () => resolve(null))
    socket.once('end', () => {
      resolve(null)
      socket.end()
    })
  })

/** It ends, and the other side does. */
export const gone = async (socket: Socket): Promise<void> => {
  if (socket.closed) return
  const closed = once(socket, 'close')
  socket.resume().end()
  await within(10_000, 'the connection to end', closed)
}

export const tally = (names: readonly (string | null)[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name ?? 'nobody'] = (counts[name ?? 'nobody'] ?? 0) + 1
  return counts
}
