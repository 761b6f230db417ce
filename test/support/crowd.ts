/** More clients at once than a gateway has room for. */

import { connect, type Socket } from 'node:net'
import { eventually, type Scope } from './scope.js'
import { LOOPBACK } from './sockets.js'

/** Clients that say something, and are served when they hear it back. */
export class Crowd {
  readonly size: number
  readonly served: Socket[] = []
  turnedAway = 0
  #left = 0

  /** They come to `ports` in turn. */
  constructor(scope: Scope, ports: readonly number[], size: number) {
    this.size = size
    const sockets = Array.from({ length: size }, (_, n) => this.#join(ports[n % ports.length] ?? 0))
    scope.defer(() => sockets.forEach((socket) => void socket.destroy()))
  }

  /** Those that have been served so far. */
  leave(): void {
    while (this.#left < this.served.length) this.served[this.#left++]?.end()
  }

  /** Those served leave, until nobody is left. */
  async disperse(): Promise<void> {
    await eventually(
      'all others to be served, or turned away',
      () => {
        this.leave()
        return this.served.length + this.turnedAway === this.size
      },
      40_000,
    )
    this.leave()
  }

  #join(port: number): Socket {
    const socket = connect(port, LOOPBACK).on('error', () => {})
    let isServed = false
    socket.write('?')
    socket.on('data', () => {
      if (!isServed) this.served.push(socket)
      isServed = true
    })
    socket.once('close', () => {
      if (!isServed) this.turnedAway++
    })
    return socket
  }
}
