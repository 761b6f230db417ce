/** More clients at once than a gateway has room for. */

import { connect, type Socket } from 'node:net'
import { eventually, type Scope } from './scope.js'
import { LOOPBACK } from './sockets.js'

const COME_AGAIN_MS = 50

/** Clients that say something, and are served when they hear it back. */
export class Crowd {
  readonly size: number
  readonly served: Socket[] = []
  turnedAway = 0
  readonly #sockets = new Set<Socket>()
  #insists: boolean
  #left = 0

  /** They come to `ports` in turn; `insists`: and again, when they are turned away. */
  constructor(scope: Scope, ports: readonly number[], size: number, insists = false) {
    this.size = size
    this.#insists = insists
    scope.defer(() => {
      this.#insists = false
      for (const socket of this.#sockets) socket.destroy()
    })
    for (let n = 0; n < size; n++) this.#join(ports[n % ports.length] ?? 0)
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

  #join(port: number): void {
    const socket = connect(port, LOOPBACK).on('error', () => {})
    this.#sockets.add(socket)
    let isServed = false
    socket.write('?')
    socket.on('data', () => {
      if (!isServed) this.served.push(socket)
      isServed = true
    })
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (isServed) return
      if (this.#insists) setTimeout(() => this.#join(port), COME_AGAIN_MS)
      else this.turnedAway++
    })
  }
}
