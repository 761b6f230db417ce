/**
 * One listening socket. `node:net` cannot leave a connection in the kernel's backlog, so while it is paused, or there are no
 * descriptors to serve with, it accepts and holds: unread, in order, at most `backlog` of them and as many as places.ts allows.
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { Address } from '../../core/address.js'
import { errnoOf } from '../../errors.js'
import type { Listening, ListenSpec } from '../../ports/engine.js'
import { fromAddressInfo } from '../shared/addresses.js'
import { listenError } from '../shared/errors.js'
import { DEFAULT_BACKLOG, makeRoom } from '../shared/listening.js'
import { pathFault } from '../shared/unix-path.js'
import type { Places } from './places.js'
import { STREAM_HIGH_WATER_MARK, tcpOptions } from './socket-options.js'

const ignore = (): void => {}

/** Where descriptors are to be had, and who is told that there are none. */
export interface Supply {
  readonly places: Places
  short(): void
}

export class PortableListening implements Listening {
  readonly address: Address
  readonly #server: Server
  readonly #backlog: number
  readonly #supply: Supply
  readonly #onSocket: (socket: Socket) => void
  readonly #onClosed: (listening: PortableListening) => void
  #state: 'accepting' | 'paused' | 'closed' = 'accepting'
  readonly #held: Socket[] = []
  #isHandingOut = false

  constructor(
    server: Server,
    address: Address,
    backlog: number,
    supply: Supply,
    onSocket: (socket: Socket) => void,
    onClosed: (listening: PortableListening) => void,
  ) {
    this.#server = server
    this.address = address
    this.#backlog = backlog
    this.#supply = supply
    this.#onSocket = onSocket
    this.#onClosed = onClosed
    server.on('connection', (socket) => this.#accepted(socket))
  }

  pause(): void {
    if (this.#state === 'accepting') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'accepting'
    this.handOut()
  }

  /** Clients wait for descriptors. */
  get isStarving(): boolean {
    return this.#state === 'accepting' && this.#held.length > 0
  }

  /** Descriptors are free, or clients may come in again. */
  handOut(): void {
    // Whoever is handed a connection may pause and resume again: then the loop further up the stack goes on, so that
    // thousands of refused ones do not exhaust it.
    if (this.#isHandingOut) return
    this.#isHandingOut = true
    while (this.isStarving) {
      if (!this.#makeRoom(() => this.#supply.places.hasRoomForHeld())) break
      const socket = this.#held.shift()
      if (socket === undefined) break
      this.#supply.places.held--
      this.#onSocket(socket)
    }
    this.#isHandingOut = false
  }

  close(): Promise<void> {
    if (this.#state !== 'closed') {
      this.#state = 'closed'
      // The descriptor is closed in this call; the callback would wait for every connection's end.
      this.#server.close()
      this.#supply.places.held -= this.#held.length
      for (const socket of this.#held.splice(0)) resetSocket(socket)
      this.#onClosed(this)
    }
    return Promise.resolve()
  }

  /** Asks for idle connections as long as that helps. */
  #makeRoom(isEnough: () => boolean): boolean {
    const { places } = this.#supply
    for (let before = Number.NaN; !isEnough() && places.left !== before; ) {
      before = places.left
      this.#supply.short()
    }
    return isEnough()
  }

  #accepted(socket: Socket): void {
    const { places } = this.#supply
    if (this.#state === 'accepting' && this.#held.length === 0) {
      if (this.#makeRoom(() => places.hasRoomForClient())) return this.#onSocket(socket)
    }
    socket.on('error', ignore)
    const isFull = this.#held.length >= this.#backlog || !places.hasRoomToHold(this.#state === 'paused')
    if (this.#state === 'closed' || isFull) return resetSocket(socket)
    this.#held.push(socket)
    places.held++
  }
}

/** RST where there is such a thing. */
const resetSocket = (socket: Socket): void => {
  if (socket.localAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

export type OnSocket = (socket: Socket, listeningAt: Address) => void

/** @throws TidegateError as `Engine.listen`. */
export const listen = async (
  spec: ListenSpec,
  supply: Supply,
  onSocket: OnSocket,
  onClosed: (listening: PortableListening) => void,
): Promise<PortableListening> => {
  const server = await bind(spec)
  const address = boundAddress(server, spec.address)
  const deliver = (socket: Socket): void => onSocket(socket, address)
  return new PortableListening(server, address, spec.backlog ?? DEFAULT_BACKLOG, supply, deliver, onClosed)
}

const bind = async (spec: ListenSpec): Promise<Server> => {
  try {
    return await bindOnce(spec)
  } catch (thrown) {
    if (spec.address.kind !== 'unix') throw listenError(spec.address, thrown)
    if (errnoOf(thrown) !== 'EADDRINUSE')
      throw listenError(spec.address, await pathFault(spec.address.path, thrown))
    await makeRoom(spec.address, thrown)
  }
  try {
    return await bindOnce(spec)
  } catch (thrown) {
    throw listenError(spec.address, thrown)
  }
}

const bindOnce = (spec: ListenSpec): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      highWaterMark: STREAM_HIGH_WATER_MARK,
      ...(spec.address.kind === 'tcp' ? tcpOptions(spec) : {}),
    })
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      // From here on an error is a failed accept (no descriptor left, a client that left in the queue): the next goes on.
      server.on('error', ignore)
      resolve(server)
    })
    server.listen(listenOptions(spec))
  })

const listenOptions = (spec: ListenSpec): Parameters<Server['listen']>[0] & object => {
  const backlog = spec.backlog ?? DEFAULT_BACKLOG
  if (spec.address.kind === 'unix') return { path: spec.address.path, backlog }
  return {
    ...(spec.address.host === '' ? {} : { host: spec.address.host }),
    port: spec.address.port,
    backlog,
    ipv6Only: spec.ipv6Only ?? false,
    // In a cluster worker too: the engine's sockets are its own.
    exclusive: true,
  }
}

const boundAddress = (server: Server, asked: Address): Address => {
  const info = server.address()
  return info === null || typeof info === 'string' ? asked : fromAddressInfo(info)
}
