/** One case's world: the engine under test, and plain sockets around it. Whatever was opened is closed with it. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address } from '../../core/address.js'
import type { TidegateError } from '../../errors.js'
import type {
  Conn,
  DialOptions,
  Engine,
  Link,
  LinkEnd,
  LinkObserver,
  LinkOptions,
  Listening,
  ListenSpec,
} from '../../ports/engine.js'
import { type Deferred, deferred, within } from '../wait.js'
import { Peer } from './peer.js'

export const LOOPBACK: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 }

/** No timeouts: a case sets those it is about. */
export const NO_LIMITS: LinkOptions = { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 }

/** All of a dial's outcomes as one value. */
export type Dialled =
  | { readonly conn: Conn; readonly error: null }
  | { readonly conn: null; readonly error: TidegateError }

/** client ⇄ [clientConn  link  upstreamConn] ⇄ server */
export interface Relay {
  readonly client: Peer
  readonly clientConn: Conn
  readonly link: Link
  readonly upstreamConn: Conn
  readonly server: Peer
  readonly ended: Promise<LinkEnd>
}

type PartialObserver = Omit<LinkObserver, 'onEnd'>

/** Accepted things, in order, for whoever asks first. */
class Arrivals<T> {
  readonly #waiting: Deferred<T>[] = []
  readonly #arrived: T[] = []

  add(one: T): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#arrived.push(one)
    else waiting.resolve(one)
  }

  next(what: string): Promise<T> {
    const arrived = this.#arrived.shift()
    if (arrived !== undefined) return Promise.resolve(arrived)
    const waiting = deferred<T>()
    this.#waiting.push(waiting)
    return within(waiting.promise, what)
  }
}

export interface Upstream {
  readonly address: Address
  /** The next connection that reached it. */
  accepted(): Promise<Peer>
  close(): void
}

export interface Gateway {
  readonly listening: Listening
  accepted(): Promise<Conn>
}

export class Scene {
  readonly engine: Engine
  readonly #sockets = new Set<Socket>()
  readonly #servers: Server[] = []
  readonly #cleanups: (() => Promise<void>)[] = []

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** A plain server, as the service behind the gateway. */
  async upstream(address: Address = LOOPBACK): Promise<Upstream> {
    const arrivals = new Arrivals<Peer>()
    const server = createServer({ allowHalfOpen: true }, (socket) => arrivals.add(this.peer(socket)))
    this.#servers.push(server)
    const up = deferred<void>()
    server.once('error', up.reject)
    server.listen(
      address.kind === 'tcp' ? { host: address.host, port: address.port } : { path: address.path },
      up.resolve,
    )
    await within(up.promise, 'the upstream listens')
    const info = server.address()
    const real: Address =
      typeof info === 'object' && info !== null
        ? { kind: 'tcp', host: info.address, port: info.port }
        : address
    return {
      address: real,
      accepted: () => arrivals.next('a connection reaches the upstream'),
      close: () => void server.close(),
    }
  }

  /** The engine's own listener. */
  async gateway(spec: ListenSpec = { address: LOOPBACK }): Promise<Gateway> {
    const arrivals = new Arrivals<Conn>()
    const listening = await within(
      this.engine.listen(spec, (conn) => arrivals.add(conn)),
      'the engine listens',
    )
    return { listening, accepted: () => arrivals.next('the engine accepts') }
  }

  /** A plain client of `address`, connected. */
  async client(address: Address): Promise<Peer> {
    const socket = new Socket({ allowHalfOpen: true })
    const peer = this.peer(socket)
    const connected = deferred<void>()
    socket.once('connect', connected.resolve)
    socket.once('error', connected.reject)
    if (address.kind === 'tcp') socket.connect({ host: address.host, port: address.port })
    else socket.connect({ path: address.path })
    await within(connected.promise, 'the client connects')
    return peer
  }

  peer(socket: Socket): Peer {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    return new Peer(socket)
  }

  dialled(address: Address, options: DialOptions = { timeoutMs: 5000 }): Promise<Dialled> {
    const outcome = deferred<Dialled>()
    this.engine.dial(address, options, (error, conn) => {
      if (conn !== null) outcome.resolve({ conn, error: null })
      else if (error !== null) outcome.resolve({ conn: null, error })
      else outcome.reject(new Error('a dial gave neither a conn nor an error'))
    })
    return within(outcome.promise, 'the dial is over')
  }

  async dial(address: Address, options?: DialOptions): Promise<Conn> {
    const { conn, error } = await this.dialled(address, options)
    if (conn === null) throw error
    return conn
  }

  link(
    client: Conn,
    upstream: Conn,
    observer: PartialObserver = {},
    options: LinkOptions = NO_LIMITS,
  ): { link: Link; ended: Promise<LinkEnd> } {
    const over = deferred<LinkEnd>()
    const link = this.engine.link(client, upstream, { ...observer, onEnd: over.resolve }, options)
    return { link, ended: over.promise }
  }

  /** Everything from client to server, over TCP unless an address says otherwise. */
  async relay(
    observer: PartialObserver = {},
    options: LinkOptions = NO_LIMITS,
    addresses: { readonly gateway?: Address; readonly upstream?: Address } = {},
  ): Promise<Relay> {
    const upstream = await this.upstream(addresses.upstream)
    const gateway = await this.gateway({ address: addresses.gateway ?? LOOPBACK })
    const client = await this.client(gateway.listening.address)
    const clientConn = await gateway.accepted()
    const upstreamConn = await this.dial(upstream.address)
    const server = await upstream.accepted()
    return {
      client,
      clientConn,
      upstreamConn,
      server,
      ...this.link(clientConn, upstreamConn, observer, options),
    }
  }

  /** A path for a unix socket, in a directory of its own. */
  async socketPath(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'tidegate-'))
    this.onClose(() => rm(directory, { recursive: true, force: true }))
    return join(directory, 'socket')
  }

  onClose(cleanup: () => Promise<void>): void {
    this.#cleanups.push(cleanup)
  }

  async close(): Promise<void> {
    await within(this.engine.close(), 'the engine closes')
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
    for (const cleanup of this.#cleanups) await cleanup()
  }
}
