/** A gateway before a service that sends back what it gets, with resource groups that remember what they were given. */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { GatewayConfigInput } from '../../../src/config/config.js'
import { createGateway } from '../../../src/control/gateway.js'
import type { GatewayOptions } from '../../../src/control/hooks.js'
import type { Logger } from '../../../src/ports/logger.js'
import type { ConnectResource, ResourceConnection, ResourceGroup } from '../../../src/ports/resource-group.js'
import { decodeGogetwayFrame, type WriteFunction } from '../../../src/record.js'
import { type Scope, testScope, within } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { LOOPBACK, portOf } from '../../support/sockets.js'

/** Of what is done on the main thread alone: with workers it would be the same, and they take their time to start. */
export const HAS_WORKERS = SETTING.workers > 0

export interface Line {
  readonly level: string
  readonly message: string
}

export interface Start extends GatewayOptions {
  readonly listeners?: readonly string[]
  readonly top?: (scope: Scope) => Partial<GatewayConfigInput>
}

export const start = async ({ listeners = ['one'], top = () => ({}), ...options }: Start = {}) => {
  const scope = testScope()
  const service = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {})
    scope.defer(() => socket.destroy())
    socket.pipe(socket)
  }).listen(0, LOOPBACK)
  await once(service, 'listening')
  scope.defer(() => service.close())
  const lines: Line[] = []
  const log =
    (level: string) =>
    (_fields: object, message: string): void =>
      void lines.push({ level, message })
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const upstream = `${LOOPBACK}:${portOf(service)}`
  const gateway = await createGateway(
    {
      ...SETTING,
      listeners: listeners.map((name) => ({ name, listen: `${LOOPBACK}:0`, upstream })),
      ...top(scope),
    },
    { logger, ...options },
  )
  scope.defer(() => gateway.destroy())
  const portAt = (listener: string): number => {
    const address = gateway.listeners.find(({ name }) => name === listener)?.address
    if (address?.kind !== 'tcp') throw new Error(`'${listener}' does not listen on TCP`)
    return address.port
  }
  /** Connected, and linked: it has had an answer. */
  const client = async (listener = 'one', localAddress = LOOPBACK): Promise<Client> => {
    const socket = connect({ port: portAt(listener), host: LOOPBACK, localAddress, noDelay: true })
    socket.on('error', () => {})
    scope.defer(() => socket.destroy())
    await once(socket, 'connect')
    const made = new Client(socket)
    await made.say(Buffer.from('?'))
    return made
  }
  return { scope, gateway, lines, client, upstream, service }
}

export class Client {
  readonly socket: Socket
  readonly sent: Buffer[] = []
  readonly host: string
  readonly port: number
  #sentBytes = 0
  #received = 0
  #onAll = (): void => {}
  #closed = false

  constructor(socket: Socket) {
    this.socket = socket
    this.host = socket.localAddress ?? ''
    this.port = socket.localPort ?? 0
    socket.on('data', (bytes) => {
      this.#received += bytes.length
      if (this.hasAll) this.#onAll()
    })
    socket.once('close', () => {
      this.#closed = true
    })
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** All that was sent has come back. */
  get hasAll(): boolean {
    return this.#received === this.#sentBytes
  }

  get said(): Buffer {
    return Buffer.concat(this.sent)
  }

  send(bytes: Buffer): void {
    this.sent.push(bytes)
    this.#sentBytes += bytes.length
    this.socket.write(bytes)
  }

  /** Resolves when all that was sent has come back. */
  async say(bytes: Buffer): Promise<void> {
    this.send(bytes)
    await this.echoed()
  }

  async echoed(): Promise<void> {
    const all = new Promise<void>((resolve) => {
      this.#onAll = resolve
    })
    if (!this.hasAll) await within(15_000, 'all to come back', all)
  }

  async end(): Promise<void> {
    if (this.#closed) return
    const closed = once(this.socket, 'close')
    this.socket.end()
    await within(10_000, 'the connection to end', closed)
  }
}

/** What was said in each direction, by the client's port. */
export class Heard {
  readonly frames: { readonly from: string; readonly to: string; readonly body: Buffer }[] = []

  add(framed: Uint8Array): void {
    const { from, to, body } = decodeGogetwayFrame(framed)
    this.frames.push({ from, to, body: Buffer.from(body) })
  }

  private of(end: 'from' | 'to', port: number): Buffer {
    const frames = this.frames.filter((frame) => frame[end].endsWith(`:${port}`))
    return Buffer.concat(frames.map(({ body }) => body))
  }

  /** By the client on this port. */
  saidBy(port: number): Buffer {
    return this.of('from', port)
  }

  saidTo(port: number): Buffer {
    return this.of('to', port)
  }
}

/** A group with one resource per connection. */
export class OwnGroup implements ResourceGroup {
  readonly heard = new Heard()
  readonly connections: ResourceConnection[] = []
  readonly ended: number[] = []
  closes = 0
  /** How many connections it had when it was closed. */
  openAtClose = 0
  readonly #before: WriteFunction

  /** `before` is asked before each frame counts as heard. */
  constructor(before: WriteFunction = () => undefined) {
    this.#before = before
  }

  getResource(_context: unknown, connection: ResourceConnection) {
    this.connections.push(connection)
    const resource: ConnectResource = {
      writeFunction: async (framed, context) => {
        await this.#before(framed, context)
        this.heard.add(framed)
      },
    }
    return { resource, onClose: () => this.ended.push(connection.id) }
  }

  close(): void {
    this.closes++
    this.openAtClose = this.connections.length - this.ended.length
  }
}

/** Something that is shut until it is opened. */
export const gate = () => {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}
