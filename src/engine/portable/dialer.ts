/** Opens a connection: name, connect and time limit as one attempt with one outcome. */

import { Socket } from 'node:net'
import type { Address } from '../../core/address.js'
import type { TidegateError } from '../../errors.js'
import type { Dial, DialOptions } from '../../ports/engine.js'
import { dialError, dialTimeout } from '../shared/errors.js'
import { STREAM_HIGH_WATER_MARK, tcpOptions } from './socket-options.js'

/** What came of it: exactly one of the two is called, once, unless the dial was cancelled. */
export interface DialOutcome {
  connected(socket: Socket): void
  failed(error: TidegateError): void
}

export class PortableDial implements Dial {
  /** A client waits for it. */
  readonly isForClient: boolean
  readonly #socket: Socket
  readonly #onOver: (dial: PortableDial) => void
  readonly #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(
    address: Address,
    options: DialOptions,
    outcome: DialOutcome,
    onOver: (dial: PortableDial) => void,
    isForClient: boolean,
  ) {
    this.isForClient = isForClient
    this.#onOver = onOver
    const socket = new Socket({
      allowHalfOpen: true,
      // Not in the types, but Socket hands its options to Duplex.
      ...{ highWaterMark: STREAM_HIGH_WATER_MARK },
    })
    this.#socket = socket
    const fail = (error: TidegateError): void => {
      if (!this.#finish()) return
      socket.destroy()
      outcome.failed(error)
    }
    // Stays for the socket's life: an error after `cancel` must not be unhandled.
    socket.on('error', (error) => fail(dialError(address, error)))
    socket.once('connect', () => {
      if (!this.#finish()) return
      // The conn puts its own handlers on before this turn ends.
      outcome.connected(socket)
    })
    if (options.timeoutMs > 0) {
      this.#timer = setTimeout(() => fail(dialTimeout(address, options.timeoutMs)), options.timeoutMs)
    }
    try {
      connect(socket, address, options)
    } catch (thrown) {
      process.nextTick(() => fail(dialError(address, thrown)))
    }
  }

  cancel(): void {
    if (this.#finish()) this.#socket.destroy()
  }

  /** False when it was over already. */
  #finish(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#onOver(this)
    return true
  }
}

const connect = (socket: Socket, address: Address, options: DialOptions): void => {
  if (address.kind === 'unix') {
    socket.connect({ path: address.path })
    return
  }
  // Options of the connect call reach only sockets that `net.connect` makes; these setters wait for the connection.
  const { noDelay, keepAlive, keepAliveInitialDelay } = tcpOptions(options)
  socket.setNoDelay(noDelay)
  if (keepAlive) socket.setKeepAlive(true, keepAliveInitialDelay)
  socket.connect({ host: address.host === '' ? 'localhost' : address.host, port: address.port })
}
