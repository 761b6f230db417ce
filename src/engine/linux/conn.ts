/**
 * One open socket. It is registered once, edge-triggered, and remembers what it was told: `readable` until a read
 * finds nothing, `writable` until a send is not taken whole. What arrives stays in the kernel until somebody wants it: a
 * link's pump, or `read`. Bytes that were taken and reached nobody come back as unread, and are given out first.
 */

import type { Address } from '../../core/address.js'
import type { Conn, LooseSocket, UpstreamLeft } from '../../ports/engine.js'
import { abortedError, brokenError, misuse, warnOfThrow } from '../shared/errors.js'
import { CLOSED_HERE, FINISHED, type Life, OPEN } from '../shared/life.js'
import { PendingRead } from '../shared/pending-read.js'
import { Unread } from '../shared/unread.js'
import { tcpAddressOf } from './addresses.js'
import { EAGAIN, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from './ffi/abi.js'
import { NO_SOCKET, type SocketFd } from './ffi/descriptors.js'
import { Outbox } from './outbox.js'
import type { Pump } from './pump.js'
import type { Reactor, Task, Watched } from './reactor.js'
import { systemError } from './system-error.js'

type OnLeave = (how: 'fin' | 'reset') => void

const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR
const HANGUP = EPOLLRDHUP | EPOLLHUP | EPOLLERR
const WRITABLE = EPOLLOUT | EPOLLHUP | EPOLLERR

/** A conn that has sent its FIN and is nobody's takes in this much to see the other's; as much as any first request. */
const UNREAD_LIMIT_BYTES = 64 * 1024

/** Bytes that arrived and nobody wants make `close` send RST; so many reads of 64 KiB are spent on avoiding it. */
const DISCARDS_AT_CLOSE = 16

export interface ConnEnds {
  /** null: asked of the kernel by whoever wants to know. */
  readonly local: Address | null
  readonly remote: Address
}

/** Who stands behind the socket of an adopted stream. */
export interface Behind {
  /** Something the stream has not passed on yet. */
  readonly hasUnread: boolean
  /** The stream's end was read; the socket may not tell yet. */
  readonly hasEnded: boolean
  /** The conn is closed; `gently`: both FINs were exchanged, and what is on its way may arrive. */
  closed(how: 'gently' | 'now' | 'with reset'): void
}

const GONE: Address = { kind: 'tcp', host: '', port: 0 }

/** No state of its own: most conns never have unread or unwritten bytes. */
const NOTHING = new Uint8Array(0)

let lastId = 0

export class LinuxConn implements Conn, Watched, Task {
  readonly id = ++lastId
  readonly remote: Address
  isQueued = false
  fd: SocketFd
  readable = false
  writable: boolean
  /** The other side will send no more: a short read no longer means that there is nothing left. */
  hangup = false
  /** By a FIN, for all that is known: behind a short read there is nothing else. Only TCP tells that much. */
  hasFin = false
  /** The pump that takes what arrives here. */
  inward: Pump | null = null
  /** The pump that brings what is sent here. */
  outward: Pump | null = null
  /** Set once, for an adopted stream. */
  behind: Behind | null = null
  readonly #reactor: Reactor
  readonly #onClosed: (conn: LinuxConn) => void
  #local: Address | null
  /** A read stops at an urgent mark (tcp(7)), and what is behind it is not told again. */
  #mayStopShort = false
  #life: Life = OPEN
  /** The other side's FIN has been read. */
  #ended = false
  #fin: 'none' | 'waiting' | 'sent' = 'none'
  #unread: Unread | null = null
  #outbox: Outbox | null = null
  #onLeave: OnLeave | null = null
  #reader: PendingRead | null = null

  constructor(
    reactor: Reactor,
    fd: SocketFd,
    ends: ConnEnds,
    writable: boolean,
    onClosed: (conn: LinuxConn) => void,
  ) {
    this.#reactor = reactor
    this.fd = fd
    this.#local = ends.local
    this.remote = ends.remote
    this.writable = writable
    this.#onClosed = onClosed
  }

  get local(): Address {
    if (this.#local !== null) return this.#local
    const name = this.#reactor.libc.localName(this.fd)
    // Nobody asked while it was open: a closed socket has no address any more.
    if (name === null) return GONE
    this.#local = tcpAddressOf(name)
    return this.#local
  }

  get life(): Life {
    return this.#life
  }

  get isOpen(): boolean {
    return this.#life === OPEN
  }

  get isLinked(): boolean {
    return this.inward !== null || this.outward !== null
  }

  get hasUnread(): boolean {
    return this.#unread !== null && this.#unread.bytes > 0
  }

  /** Another send would be the kernel's at once, as far as is known. */
  get takesMore(): boolean {
    return this.writable && this.#outbox === null
  }

  /** Everything that was to be sent is the kernel's. */
  get isDrained(): boolean {
    return this.#outbox === null
  }

  /** Closing it now sends FIN behind everything, as `sendFin` would. */
  get canCloseForFin(): boolean {
    return this.#ended && this.#outbox === null && this.behind === null
  }

  isIdleAndAlive(): boolean {
    return !this.isLinked && this.isDrained && this.left() === 'clean'
  }

  /** Asked of the kernel. */
  left(): UpstreamLeft {
    if (this.#life !== OPEN) return 'failed'
    if (this.#ended || this.#fin !== 'none' || this.behind?.hasEnded === true) return 'half_closed'
    if (this.hasUnread || this.behind?.hasUnread === true) return 'unread'
    const waiting = this.#reactor.libc.peek(this.fd)
    if (waiting === EAGAIN) return 'clean'
    // What is behind those bytes is known once it was told.
    if (waiting > 0) return this.hangup ? 'half_closed' : 'unread'
    if (waiting === 0) return 'half_closed'
    this.broke(systemError('recv', waiting))
    return 'failed'
  }

  confirm(): UpstreamLeft {
    return this.left()
  }

  watch(onLeave: OnLeave | null): void {
    this.#onLeave = this.isLinked ? null : onLeave
    // What has happened already is told as well, but never before `watch` returns.
    if (this.hangup || this.#ended || this.#life !== OPEN) this.#tellLeaveLater()
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
        // Not now: whoever calls may be looking at the shared buffer.
        this.#reactor.enqueue(this)
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
      else if (this.#fin !== 'none') reject(misuse('write after end'))
      else if (this.#life !== OPEN) reject(abortedError(this.remote))
      else {
        this.#outbox ??= new Outbox()
        this.#outbox.add(bytes, (error) => {
          if (error === null) resolve()
          else reject(error)
        })
        if (this.writable) this.#flush()
      }
    })
  }

  end(): void {
    if (this.#life !== OPEN || this.#fin !== 'none') return
    this.sendFin()
    if (!this.isLinked) this.#noteEnd()
  }

  destroy(): void {
    if (!this.#leaveOpen()) return
    const isOrderly = this.#ended && this.#fin === 'sent'
    if (this.readable && !this.#ended) this.#discard()
    this.#close(isOrderly ? 'gently' : 'now')
  }

  reset(): void {
    if (!this.#leaveOpen()) return
    this.#reactor.libc.resetOnClose(this.fd)
    this.#close('with reset')
  }

  /**
   * Gives the descriptor up without closing it, and everything that was taken from it; null when it was not open any more.
   * @throws TidegateError `misuse` when there is more to this conn than that.
   */
  release(): LooseSocket | null {
    const unfit = this.#unfitForRelease()
    if (unfit !== null) throw misuse(`the connection cannot change the engine: ${unfit}`)
    if (this.#life !== OPEN) return null
    const { fd, remote } = this
    const unread = this.#unread === null ? NOTHING : this.#unread.takeAll()
    const loose = { fd, local: this.#local, remote, unread: unread.length === 0 ? null : unread }
    this.#reactor.letGo(fd)
    this.#leaveOpen()
    this.#forgetSocket()
    return loose
  }

  /** From here on `inward` takes what arrives, and `outward` brings what is sent. */
  attach(inward: Pump, outward: Pump): void {
    this.#onLeave = null
    this.#reader?.fail(misuse('the connection was linked during a read'))
    this.inward = inward
    this.outward = outward
  }

  /** Back to nobody's, as far as `pump` was concerned. */
  detach(pump: Pump): void {
    if (this.inward === pump) this.inward = null
    if (this.outward === pump) this.outward = null
  }

  /** Bytes that were taken and reached nobody. */
  giveBack(bytes: Uint8Array): void {
    this.#unread ??= new Unread()
    this.#unread.prepend(bytes)
  }

  /** The oldest of them. */
  takeUnread(): Uint8Array {
    return this.#unread?.shift() ?? NOTHING
  }

  /**
   * Sends the first `length` bytes: now what the kernel takes, later the rest, which is copied if `isBorrowed`. `moreFollows`
   * as in `Libc.send`: whoever says so sends on, or FIN.
   */
  send(bytes: Uint8Array, length: number, isBorrowed: boolean, moreFollows = false): void {
    let sent = 0
    if (this.takesMore) {
      sent = this.#reactor.libc.send(this.fd, bytes, length, moreFollows)
      if (sent === length) return
      this.writable = false
      if (sent < 0) {
        if (sent !== EAGAIN) {
          this.broke(systemError('send', sent))
          return
        }
        sent = 0
      }
    }
    this.#outbox ??= new Outbox()
    this.#outbox.add(isBorrowed ? bytes.slice(sent, length) : bytes.subarray(sent, length), null)
  }

  /** FIN after what waits; the outward pump is told when it is the kernel's. */
  sendFin(): void {
    if (this.#fin === 'none') this.#fin = 'waiting'
    if (this.#outbox === null) this.#finNow()
  }

  /** The other side's FIN was read. */
  sawEnd(): void {
    this.#ended = true
  }

  ready(events: number): void {
    if ((events & READABLE) !== 0) this.readable = true
    if ((events & EPOLLPRI) !== 0) this.#mayStopShort = true
    if ((events & HANGUP) !== 0) this.#sawHangup(events)
    if ((events & WRITABLE) !== 0 && !this.writable) {
      this.writable = true
      if (this.#outbox !== null) this.#flush()
      this.outward?.run()
    }
    if (this.readable) {
      if (this.inward !== null) this.inward.run()
      else if (this.#reader !== null) this.run()
      else if (this.hangup) this.#noteEnd()
    }
    // A pump that still has work meets the error itself, behind the last bytes.
    if ((events & EPOLLERR) !== 0 && this.#life === OPEN && this.inward?.isQueued !== true) {
      const error = this.#reactor.libc.takeError(this.fd)
      if (error < 0) this.broke(systemError('recv', error))
    }
  }

  /** A read gave less than it asked for: the socket is drained, unless its end or a mark is behind that. */
  readShort(): void {
    this.readable = this.hangup || this.#mayStopShort
  }

  /** Serves the reader, in its own time: nobody else is looking at the shared buffer. */
  run(): void {
    const reader = this.#reader
    if (reader === null || this.isLinked) return
    if (this.#unread !== null && this.#unread.bytes > 0) reader.succeed(this.#unread.take(reader.maxBytes))
    else if (this.#life !== OPEN || this.#ended) reader.succeed(NOTHING)
    else if (this.readable && !this.#receive(reader)) return
    else if (this.#reader !== null) return
    if (this.hangup) this.#noteEnd()
  }

  /** The other side, or the way to it, failed. */
  broke(error: Error | null): void {
    if (this.#life !== OPEN) return
    this.#life = { kind: 'broken', error }
    this.#outbox?.fail(brokenError(this.remote, error))
    this.#outbox = null
    this.#reader?.fail(brokenError(this.remote, error))
    this.#close('now')
    this.#tellLeaveLater()
    const pump = this.inward ?? this.outward
    pump?.connBroke(this, error)
  }

  /** False when it gave nothing, and the reader waits on. */
  #receive(reader: PendingRead): boolean {
    const { buffer, libc } = this.#reactor
    const wanted = Math.min(reader.maxBytes, buffer.length)
    const target = wanted === buffer.length ? buffer : buffer.subarray(0, wanted)
    const got = libc.receive(this.fd, target)
    if (got > 0) {
      if (got < wanted) this.readShort()
      reader.succeed(buffer.slice(0, got))
      return true
    }
    if (got === 0) {
      this.#ended = true
      reader.succeed(NOTHING)
      return true
    }
    this.readable = false
    if (got !== EAGAIN) this.broke(systemError('recv', got))
    return false
  }

  #sawHangup(events: number): void {
    this.hangup = true
    this.hasFin =
      (events & EPOLLRDHUP) !== 0 &&
      (events & EPOLLERR) === 0 &&
      !this.#mayStopShort &&
      this.behind === null &&
      this.remote.kind === 'tcp'
  }

  #flush(): void {
    const outbox = this.#outbox
    if (outbox === null) return
    for (let bytes = outbox.first(); bytes !== null; bytes = outbox.first()) {
      const sent = bytes.length === 0 ? 0 : this.#reactor.libc.send(this.fd, bytes, bytes.length)
      if (sent < bytes.length) this.writable = false
      if (sent < 0) {
        if (sent !== EAGAIN) this.broke(systemError('send', sent))
        return
      }
      this.outward?.moved()
      outbox.took(sent)
      if (!this.writable || this.#life !== OPEN) return
    }
    this.#outbox = null
    if (this.#fin === 'waiting') this.#finNow()
  }

  #finNow(): void {
    if (this.#fin !== 'sent') {
      this.#fin = 'sent'
      // ENOTCONN: broken already, which its event tells.
      this.#reactor.libc.endWriting(this.fd)
    }
    this.outward?.finSent()
  }

  /** Looks whether a hangup is the FIN, with nothing unread before it. */
  #noteEnd(): void {
    if (this.#life !== OPEN || this.isLinked) return
    if (!this.#ended && this.hangup) {
      if (this.#fin === 'sent') this.#takeInRest()
      else this.#findEnd()
    }
    if (this.isOpen && this.#ended && this.#fin === 'sent') {
      this.#life = FINISHED
      this.#close('gently')
    }
    this.#tellLeaveLater()
  }

  /** Asks the kernel whether the end is next. It tells of an error only once, so that is not lost here. */
  #findEnd(): void {
    if (this.#life !== OPEN || this.#ended || this.hasUnread) return
    const next = this.#reactor.libc.peek(this.fd)
    if (next === 0) this.#ended = true
    else if (next < 0 && next !== EAGAIN) this.broke(systemError('recv', next))
  }

  /** Both sides are done, and nobody may ever read: the descriptor must not wait for that. */
  #takeInRest(): void {
    const unread = new Unread()
    const kept = this.#unread
    if (kept !== null) for (let rest = kept.bytes; rest > 0; rest = kept.bytes) unread.append(kept.shift())
    while (unread.bytes < UNREAD_LIMIT_BYTES) {
      const bytes = new Uint8Array(UNREAD_LIMIT_BYTES)
      const got = this.#reactor.libc.receive(this.fd, bytes)
      if (got > 0) unread.append(bytes.slice(0, got))
      else if (got === 0) this.#ended = true
      else if (got !== EAGAIN) this.broke(systemError('recv', got))
      if (got <= 0) break
    }
    this.#unread = unread
  }

  #discard(): void {
    for (let i = 0; i < DISCARDS_AT_CLOSE; i++) if (this.#reactor.libc.discard(this.fd) <= 0) return
  }

  #close(how: 'gently' | 'now' | 'with reset'): void {
    this.#reactor.close(this.fd)
    this.behind?.closed(how)
    this.#forgetSocket()
  }

  #forgetSocket(): void {
    this.fd = NO_SOCKET
    this.readable = false
    this.writable = false
    this.#onClosed(this)
  }

  #unfitForRelease(): string | null {
    if (this.isLinked) return 'it is linked'
    if (this.behind !== null) return 'it is an adopted stream'
    if (this.#reader !== null) return 'it is being read'
    if (this.#outbox !== null) return 'it has bytes to write'
    return this.#fin === 'none' ? null : 'it has ended'
  }

  /** False when the conn was not open any more. */
  #leaveOpen(): boolean {
    if (this.#life !== OPEN) return false
    this.#life = CLOSED_HERE
    this.#onLeave = null
    this.#unread = null
    this.#outbox?.fail(abortedError(this.remote))
    this.#outbox = null
    this.#reader?.fail(abortedError(this.remote))
    // A conn that is linked belongs to the link: whoever takes it away breaks that.
    const pump = this.inward ?? this.outward
    pump?.connBroke(this, null)
    return true
  }

  #tellLeaveLater(): void {
    if (this.#onLeave !== null) process.nextTick(() => this.#tellLeave())
  }

  #tellLeave(): void {
    const onLeave = this.#onLeave
    if (onLeave === null) return
    if (this.hangup && !this.isLinked) this.#findEnd()
    const isBroken = this.#life.kind === 'broken'
    if (!isBroken && !(this.#ended && !this.hasUnread)) return
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
