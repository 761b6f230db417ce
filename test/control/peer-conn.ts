/** A conn without a socket, whose other side a test plays. */

import { type Address, formatAddress } from '../../src/core/address.js'
import { TidegateError } from '../../src/errors.js'
import type { Conn, UpstreamLeft } from '../../src/ports/engine.js'

export const PEER: Address = { kind: 'tcp', host: '10.0.0.5', port: 5000 }

let lastId = 0

export class PeerConn implements Conn {
  readonly id = ++lastId
  readonly local: Address = { kind: 'tcp', host: '10.0.0.1', port: 80 }
  readonly remote: Address
  /** What was put back, as one piece. */
  unreadBytes = new Uint8Array(0)
  wasReset = false
  readonly #arrived: (Uint8Array | 'end' | 'reset')[] = []
  #wake: (() => void) | null = null
  #abort: ((error: Error) => void) | null = null

  constructor(remote = PEER) {
    this.remote = remote
  }

  /** The other side sends these, each in a piece of its own. */
  send(...pieces: readonly Uint8Array[]): this {
    this.#arrived.push(...pieces.filter(({ length }) => length > 0))
    this.#wake?.()
    return this
  }

  leave(how: 'end' | 'reset'): this {
    this.#arrived.push(how)
    this.#wake?.()
    return this
  }

  read(maxBytes: number, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail('read_timeout'), timeoutMs)
      const settle = (): void => {
        clearTimeout(timer)
        this.#wake = null
        this.#abort = null
      }
      const fail = (code: 'read_timeout' | 'connection_reset' | 'aborted'): void => {
        settle()
        reject(new TidegateError(code, `${formatAddress(this.remote)}: ${code}`, { fault: 'peer' }))
      }
      this.#abort = () => fail('aborted')
      this.#wake = () => {
        const next = this.#arrived.shift()
        if (next === undefined) return
        if (next === 'reset') return fail('connection_reset')
        settle()
        if (next === 'end') return resolve(new Uint8Array(0))
        if (next.length > maxBytes) this.#arrived.unshift(next.subarray(maxBytes))
        resolve(next.subarray(0, maxBytes))
      }
      this.#wake()
    })
  }

  unread(bytes: Uint8Array): void {
    this.unreadBytes = Uint8Array.from([...bytes, ...this.unreadBytes])
  }

  reset(): void {
    this.wasReset = true
    this.#abort?.(new Error('reset'))
  }

  left(): UpstreamLeft {
    return this.isIdleAndAlive() ? 'clean' : 'failed'
  }

  confirm(): UpstreamLeft {
    return this.left()
  }

  isIdleAndAlive(): boolean {
    return !this.wasReset
  }

  write(): Promise<void> {
    return Promise.resolve()
  }

  watch(): void {}
  end(): void {}
  destroy(): void {}
}
