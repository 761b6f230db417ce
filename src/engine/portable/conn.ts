/**
 * One open socket. It reads all the time, so that a FIN, a reset or an early byte is known at once: what arrives
 * goes to the consumer (a link's pump) while there is one and it flows, else it is kept, in order and bounded, as
 * unread. Whoever reads next, a pump or `read`, gets the unread bytes first.
 */

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from '../../core/address.js'
import type { Conn, UpstreamLeft } from '../../ports/engine.js'
import type { Ends } from '../shared/addresses.js'
import { abortedError, brokenError, misuse, warnOfThrow } from '../shared/errors.js'
import { CLOSED_HERE, FINISHED, type Life, OPEN } from '../shared/life.js'
import { PendingRead } from '../shared/pending-read.js'
import { Unread } from '../shared/unread.js'
import type { Consumer } from './consumer.js'
import { asTcp, confirmEnd, queuedBytes, resetTcp } from './libuv.js'

/** While nobody reads, a conn stops reading beyond this: enough for any first request, little enough to wait with. */
const UNREAD_LIMIT_BYTES = 64 * 1024

type OnLeave = (how: 'fin' | 'reset') => void

let lastId = 0

export class PortableConn implements Conn {
  readonly id = ++lastId
  readonly local: Address
  readonly remote: Address
  readonly #stream: Duplex
  /** Its descriptor is free. Called at once if it is closed here, and again when its stream says so. */
  readonly #onClosed: (conn: PortableConn) => void
  readonly #tcp: Socket | null
  readonly #unread = new Unread()
  #life: Life = OPEN
  #ended = false
  #consumer: Consumer | null = null
  #flowing = false
  #onLeave: OnLeave | null = null
  #reader: PendingRead | null = null

  constructor(stream: Duplex, ends: Ends, onClosed: (conn: PortableConn) => void) {
    this.#stream = stream
    this.local = ends.local
    this.remote = ends.remote
    this.#onClosed = onClosed
    this.#ended = stream.readableEnded
    this.#tcp = asTcp(stream, ends.local)
    stream.on('error', (error: Error) => this.#broken(error))
    stream.on('close', () => this.#closed())
    stream.on('end', () => this.#endOfFile())
    stream.on('data', (chunk: Uint8Array) => this.#arrived(chunk))
    if (stream.destroyed) {
      this.#life = { kind: 'broken', error: stream.errored }
      process.nextTick(() => this.#closed())
    } else stream.resume()
  }

  get life(): Life {
    return this.#life
  }

  /** Bytes of {@link backlog} as libuv counts them, which also falls while one chunk is written bit by bit. */
  get queued(): number {
    return queuedBytes(this.#stream)
  }

  get isOpen(): boolean {
    return this.#life === OPEN
  }

  get isLinked(): boolean {
    return this.#consumer !== null
  }

  /** One of the directions has ended, from either side. */
  get isHalfClosed(): boolean {
    return this.#stream.readableEnded || this.#stream.writableEnded
  }

  get hasUnread(): boolean {
    return this.#unread.bytes > 0 || this.#stream.readableLength > 0
  }

  /** Bytes handed to {@link send} that the kernel does not have yet. */
  get backlog(): number {
    return this.#stream.writableLength
  }

  isIdleAndAlive(): boolean {
    return !this.isLinked && this.left() === 'clean' && this.backlog === 0
  }

  left(): UpstreamLeft {
    if (this.#life !== OPEN) return 'failed'
    if (this.isHalfClosed) return 'half_closed'
    return this.hasUnread ? 'unread' : 'clean'
  }

  /** One whole poll of the loop brings in what the kernel has. */
  confirm(): Promise<UpstreamLeft> {
    return new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(this.left()))))
  }

  watch(onLeave: OnLeave | null): void {
    this.#onLeave = this.isLinked ? null : onLeave
    // What has happened already is told as well, but never before `watch` returns.
    if (this.#onLeave !== null) process.nextTick(() => this.#tellLeave())
  }

  read(maxBytes: number, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal()
      if (refusal !== null) reject(refusal)
      else if (this.#reader !== null) reject(misuse('one read at a time'))
      else if (!(maxBytes >= 1)) reject(misuse(`read of ${maxBytes} bytes: at least 1 was expected`))
      else {
        this.#reader = new PendingRead(this.remote, maxBytes, timeoutMs, resolve, reject, () => {
          this.#reader = null
        })
        this.#serveReader()
      }
    })
  }

  unread(bytes: Uint8Array): void {
    if (this.isLinked) throw misuse('the connection is linked')
    if (this.#reader !== null) throw misuse('the connection is being read')
    if (this.#life !== CLOSED_HERE) this.giveBack(bytes)
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal()
      if (refusal !== null) reject(refusal)
      else if (this.#stream.writableEnded) reject(misuse('write after end'))
      else {
        this.#stream.write(bytes, (error) => {
          if (error) reject(this.#refusal() ?? brokenError(this.remote, error))
          else resolve()
        })
      }
    })
  }

  end(): void {
    if (this.#life === OPEN && !this.#stream.writableEnded) this.#stream.end()
  }

  destroy(): void {
    if (!this.#leaveOpen()) return
    this.#stream.destroy()
    this.#onClosed(this)
  }

  reset(): void {
    if (!this.#leaveOpen()) return
    if (this.#tcp === null) this.#stream.destroy()
    else resetTcp(this.#tcp)
    this.#onClosed(this)
  }

  /** From here on `consumer` gets what arrives, once {@link flow} lets it. */
  attach(consumer: Consumer): void {
    this.#onLeave = null
    this.#reader?.fail(misuse('the connection was linked during a read'))
    this.#consumer = consumer
    this.#flowing = false
    this.#stream.pause()
  }

  /** Back to nobody's: what arrives is kept unread. A conn that is another consumer's by now is left alone. */
  detach(consumer: Consumer): void {
    if (this.#consumer !== consumer) return
    this.#consumer = null
    this.#flowing = false
    this.#readOn()
  }

  flow(on: boolean): void {
    if (this.#consumer === null) return
    this.#flowing = on
    if (!on) this.#stream.pause()
    else this.#drainUnread()
  }

  /** Gives back bytes that were taken but reached nobody. */
  giveBack(chunk: Uint8Array): void {
    this.#unread.prepend(chunk)
  }

  send(bytes: Uint8Array, onWritten: () => void): void {
    this.#stream.write(bytes, onWritten)
  }

  /** FIN after what is pending; `onEnded` once the kernel has it, and not at all if that fails. */
  sendEnd(onEnded: () => void): void {
    if (this.#stream.writableFinished) onEnded()
    else if (this.#stream.writableEnded) this.#stream.once('finish', onEnded)
    else {
      this.#stream.end((error?: Error | null) => {
        if (error === undefined || error === null) onEnded()
      })
    }
  }

  #arrived(chunk: Uint8Array): void {
    if (this.#life !== OPEN) return
    if (this.#consumer !== null && this.#flowing && this.#unread.bytes === 0) {
      this.#consumer.take(chunk)
      return
    }
    this.#unread.append(chunk)
    if (this.#consumer !== null) return
    if (this.#reader !== null) this.#serveReader()
    if (this.#unread.bytes >= UNREAD_LIMIT_BYTES) this.#stream.pause()
  }

  #endOfFile(): void {
    if (this.#tcp === null) this.#sourceEnded()
    else confirmEnd(this.#tcp, () => this.#sourceEnded())
  }

  #sourceEnded(): void {
    if (this.#life !== OPEN || this.#ended) return
    this.#ended = true
    if (this.#consumer !== null) this.#drainUnread()
    else {
      this.#serveReader()
      this.#tellLeave()
    }
  }

  #drainUnread(): void {
    while (this.#flowing && this.#unread.bytes > 0) this.#consumer?.take(this.#unread.shift())
    if (!this.#flowing) return
    if (this.#ended) {
      this.#flowing = false
      this.#consumer?.sourceEnded()
    } else this.#stream.resume()
  }

  #readOn(): void {
    if (
      this.#life === OPEN &&
      this.#consumer === null &&
      !this.#ended &&
      this.#unread.bytes < UNREAD_LIMIT_BYTES
    )
      this.#stream.resume()
  }

  #serveReader(): void {
    const reader = this.#reader
    if (reader === null || (this.#unread.bytes === 0 && !this.#ended)) return
    reader.succeed(this.#unread.take(reader.maxBytes))
    this.#readOn()
    if (this.#ended) process.nextTick(() => this.#tellLeave())
  }

  #broken(error: Error | null): void {
    if (this.#life !== OPEN) return
    this.#life = { kind: 'broken', error }
    this.#stream.destroy()
    this.#reader?.fail(brokenError(this.remote, error))
    this.#tellLeave()
    this.#consumer?.broken(error)
  }

  #closed(): void {
    if (this.#life === OPEN) {
      if (this.#ended && this.#stream.writableFinished) this.#life = FINISHED
      else this.#broken(null)
    }
    this.#onClosed(this)
  }

  /** False when the conn was not open any more. */
  #leaveOpen(): boolean {
    if (this.#life !== OPEN) return false
    this.#life = CLOSED_HERE
    this.#onLeave = null
    this.#unread.clear()
    this.#reader?.fail(abortedError(this.remote))
    // A conn that is linked belongs to the link: whoever takes it away breaks that.
    this.#consumer?.broken(null)
    return true
  }

  #tellLeave(): void {
    const onLeave = this.#onLeave
    if (onLeave === null) return
    const isBroken = this.#life.kind === 'broken'
    if (!isBroken && !(this.#ended && this.#unread.bytes === 0)) return
    this.#onLeave = null
    try {
      onLeave(isBroken ? 'reset' : 'fin')
    } catch (thrown) {
      warnOfThrow('a watcher', thrown)
    }
  }

  #refusal(): Error | null {
    if (this.isLinked) return misuse('the connection is linked')
    if (this.#life.kind === 'broken') return brokenError(this.remote, this.#life.error)
    return this.#life.kind === 'closed_here' ? abortedError(this.remote) : null
  }
}
