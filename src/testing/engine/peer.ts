/**
 * A plain `node:net` socket at either outer end of what is under test. It remembers all that happened to it, so that
 * a case may ask in any order.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { errnoOf } from '../../errors.js'
import { deferred, until, within } from '../wait.js'

/** Beyond this a peer only counts and hashes. */
const KEPT_BYTES = 1024 * 1024

export class Peer {
  readonly socket: Socket
  received = 0
  hasEnded = false
  readonly #hash = createHash('sha256')
  readonly #kept: Buffer[] = []
  readonly #ended = deferred<void>()
  readonly #closed = deferred<string | null>()
  #errno: string | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', (error) => {
      this.#errno ??= errnoOf(error) ?? error.message
    })
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length
      this.#hash.update(chunk)
      if (this.received <= KEPT_BYTES) this.#kept.push(chunk)
    })
    socket.on('end', () => {
      this.hasEnded = true
      this.#ended.resolve()
    })
    socket.on('close', () => this.#closed.resolve(this.#errno))
  }

  get text(): string {
    return Buffer.concat(this.#kept).toString()
  }

  /** Only once, at the end. */
  sha256(): string {
    return this.#hash.digest('hex')
  }

  /** Reads nothing more, so that the sender meets a full window. */
  stall(): void {
    this.socket.pause()
  }

  /** Reads this many times, and stalls again. */
  async take(reads: number): Promise<void> {
    for (let i = 0; i < reads; i++) {
      const read = deferred<void>()
      this.socket.once('data', () => {
        this.socket.pause()
        read.resolve()
      })
      this.socket.resume()
      await within(read.promise, 'another read')
    }
  }

  async has(text: string): Promise<void> {
    await until(() => this.received >= text.length, `'${text}' has arrived (so far: '${this.text}')`)
    assert.equal(this.text, text)
  }

  async hasBytes(count: number, ms?: number): Promise<void> {
    await until(() => this.received >= count, `${count} bytes have arrived`, ms)
  }

  /** The other side's FIN, after all it sent. */
  async sawEnd(): Promise<void> {
    const closed = this.#closed.promise.then((errno) => {
      if (!this.hasEnded) assert.fail(`closed without FIN (${errno ?? 'no error'})`)
    })
    await within(Promise.race([this.#ended.promise, closed]), 'FIN')
  }

  /** The other side's RST. */
  async sawReset(): Promise<void> {
    const errno = await within(this.#closed.promise, 'RST')
    assert.equal(errno, 'ECONNRESET')
  }

  /** The other side has ended or broken the connection, whichever way. */
  async wasLeft(): Promise<void> {
    await within(Promise.race([this.#ended.promise, this.#closed.promise]), 'FIN or RST')
  }

  /** Closed, whichever way; its errno, or null after an orderly end. */
  closed(): Promise<string | null> {
    return within(this.#closed.promise, 'the socket is closed')
  }

  /** Writes as fast as the other side takes it, until `shouldStop`. */
  pour(chunk: Uint8Array, shouldStop: () => boolean): void {
    const more = (): void => {
      while (!this.socket.destroyed && !this.socket.writableEnded && !shouldStop()) {
        if (!this.socket.write(chunk)) {
          this.socket.once('drain', more)
          return
        }
      }
    }
    more()
  }
}
