/**
 * The linux engine: epoll, recv/send and splice, called from TypeScript. It keeps the books of what is open, so that
 * `close` leaves nothing; the work is done by reactor, listener, dialer, conn and link.
 */

import type { Duplex } from 'node:stream'
import type { Address } from '../../core/address.js'
import { DESCRIPTORS_PER_CLIENT } from '../../core/budget/plan.js'
import { IdMap } from '../../core/id-map.js'
import type { TidegateError } from '../../errors.js'
import type {
  Conn,
  DescriptorBudget,
  Dial,
  DialDone,
  DialOptions,
  LentListener,
  Link,
  LinkObserver,
  LinkOptions,
  Listening,
  ListenSpec,
  LooseSocket,
  SharedListener,
  ShortageListener,
  ThreadedEngine,
} from '../../ports/engine.js'
import { endsOfStream, nameless } from '../shared/addresses.js'
import { dialError, listenError, misuse, warnOfThrow } from '../shared/errors.js'
import { tcpAddressOf } from './addresses.js'
import { type Bound, bind } from './bind.js'
import { Bridge } from './bridge.js'
import { type ConnEnds, LinuxConn } from './conn.js'
import { type DialHost, LinuxDial } from './dialer.js'
import { AF_UNIX } from './ffi/abi.js'
import { asListenFd, asSocketFd, failed, type ListenFd, NO_SOCKET, type SocketFd } from './ffi/descriptors.js'
import type { LedgerSeat } from './ffi/ledger.js'
import { Headroom } from './headroom.js'
import { LinuxLentListener } from './lent-listener.js'
import { LinuxLink } from './link.js'
import { LinuxListening, type Supply } from './listener.js'
import { PipePool } from './pipes.js'
import { Promises } from './promises.js'
import { Reactor } from './reactor.js'
import { CONN_EVENTS } from './sockets.js'
import { systemError } from './system-error.js'

/**
 * `seat`: where the engine keeps account of its descriptors, so that they can be closed when its thread has died; null
 * (default): nowhere.
 * @throws TidegateError `engine_unavailable`, saying why: not Linux, koffi does not load, an unknown processor.
 */
export const createLinuxEngine = (seat: LedgerSeat | null = null): ThreadedEngine => new LinuxEngine(seat)

const CLOSED = 'the engine is closed'

/**
 * One read: what the port calls so, and what a link may have waiting in memory. A little less than 64 KiB, so that what is recorded of it
 * fits into one IP packet.
 */
const READ_BYTES = 0xff00

/** A listener on one address knows it for all its connections; one on every address does not. */
const isEverywhere = (at: Address): boolean =>
  at.kind === 'tcp' && (at.host === '::' || at.host === '0.0.0.0')

class LinuxEngine implements ThreadedEngine {
  readonly name = 'linux'
  readonly acceptsAll = false
  readonly #reactor: Reactor
  readonly #pipes: PipePool
  readonly #headroom: Headroom
  readonly #supply: Supply = {
    claim: (count) => this.#claim(count),
    unclaim: (count) => this.#unclaim(count),
    saw: (newest) => this.#headroom.saw(newest),
    release: () => this.#giveUp(),
  }
  readonly #promises: Promises
  readonly #bound = new Map<SharedListener, Bound>()
  readonly #lent = new Set<LinuxLentListener>()
  readonly #listenings = new Set<LinuxListening>()
  readonly #dials = new IdMap<LinuxDial>()
  readonly #links = new IdMap<LinuxLink>()
  readonly #conns = new IdMap<LinuxConn>()
  readonly #bridges = new Set<Bridge>()
  readonly #dialHost: DialHost = {
    opened: (fd) => {
      this.#headroom.saw(fd)
      this.#kept()
    },
    // Before the number is free for others.
    closing: () => void this.#promised(),
    connected: (dial, fd, events, remote) => {
      const conn = this.#conn(fd, { local: remote.kind === 'tcp' ? null : nameless, remote }, true)
      this.#reactor.handOver(fd, conn)
      this.#tellDial(dial, null, conn)
      conn.ready(events)
    },
    failed: (dial, error) => this.#tellDial(dial, error, null),
    over: (dial) => void this.#dials.delete(dial.id),
  }
  readonly #forgetLink = (link: LinuxLink): void => void this.#links.delete(link.id)
  readonly #forgetConn = (conn: LinuxConn): void => {
    this.#conns.delete(conn.id)
    this.#kept()
  }
  readonly #forgetClient = (conn: LinuxConn): void => {
    this.#clients--
    this.#forgetConn(conn)
  }
  readonly #forgetBridge = (bridge: Bridge): void => void this.#bridges.delete(bridge)
  /** Conns that were accepted, on this thread or another. */
  #clients = 0
  /** About to be opened (`Supply.claim`). */
  #claimed = 0
  /** Part of that: for the dial that follows `hasSpare`. */
  #spare = 0
  #onShortage: ShortageListener | null = null
  #isClosed = false

  constructor(seat: LedgerSeat | null) {
    this.#reactor = new Reactor(READ_BYTES, seat)
    this.#headroom = new Headroom(this.#reactor, seat?.ledger.highest)
    this.#pipes = new PipePool(this.#reactor.libc, this.#supply)
    this.#promises = new Promises(seat)
  }

  async listen(spec: ListenSpec, onAccept: (client: Conn) => void): Promise<Listening> {
    const bound = await this.#bind(spec)
    return this.#startAccepting(bound.fd, bound.address, onAccept, () => bound.close())
  }

  async bind(spec: ListenSpec): Promise<SharedListener> {
    const bound = await this.#bind(spec)
    const { fd, address } = bound
    const shared = { fd, address }
    this.#bound.set(shared, bound)
    return shared
  }

  accept({ fd, address }: SharedListener, onAccept: (client: Conn) => void): Listening {
    if (this.#isClosed) throw misuse(CLOSED)
    // One of this thread's own: closed by `unbind`, the other's number could be anybody's by the next accept.
    const own = this.#reactor.libc.duplicate(asListenFd(fd))
    if (failed(own)) throw listenError(address, systemError('fcntl', own))
    return this.#startAccepting(own, address, onAccept, () => this.#reactor.close(own))
  }

  unbind(listener: SharedListener): void {
    this.#bound.get(listener)?.close()
    this.#bound.delete(listener)
  }

  async lend(spec: ListenSpec): Promise<LentListener> {
    const bound = await this.#bind(spec)
    const lent = new LinuxLentListener(this.#reactor, bound, () => this.#lent.delete(lent))
    this.#lent.add(lent)
    return lent
  }

  release(conn: Conn): LooseSocket | null {
    const socket = this.#own(conn).release()
    if (socket !== null) this.#promises.sent()
    return socket
  }

  receive({ fd, local, remote, unread }: LooseSocket): Conn {
    const socket = asSocketFd(fd)
    this.#reactor.libc.own(socket)
    const conn = this.#client(socket, { local, remote })
    if (unread !== null) conn.giveBack(unread)
    if (this.#isClosed) conn.destroy()
    else {
      const watching = this.#reactor.watch(socket, conn, CONN_EVENTS)
      if (watching < 0) conn.broke(systemError('epoll_ctl', watching))
      this.#promised()
    }
    this.#promises.arrived()
    return conn
  }

  dial(address: Address, options: DialOptions, done: DialDone, client?: Conn): Dial {
    const ours = client === undefined ? null : this.#own(client)
    const dial = new LinuxDial(this.#reactor, address, options, done, this.#dialHost, ours)
    if (this.#isClosed)
      process.nextTick(() => this.#tellDial(dial, dialError(address, new Error(CLOSED)), null))
    else {
      this.#dials.set(dial.id, dial)
      dial.start()
      this.#dropSpare()
      this.#kept()
    }
    return dial
  }

  link(client: Conn, upstream: Conn, observer: LinkObserver, options: LinkOptions): Link {
    const ours = this.#own(client)
    const theirs = this.#own(upstream)
    if (ours === theirs || ours.isLinked || theirs.isLinked)
      throw misuse('one of the connections is linked already')
    const link = new LinuxLink(ours, theirs, observer, options, this.#reactor, this.#pipes, this.#forgetLink)
    this.#links.set(link.id, link)
    this.#kept()
    return link
  }

  adopt(stream: Duplex): Conn {
    // The other side's end must not end ours. Node allows to change this until it has been emitted.
    stream.allowHalfOpen = true
    const ends = endsOfStream(stream)
    const pair = this.#isClosed ? null : this.#reactor.libc.socketPair(AF_UNIX)
    if (pair === null || typeof pair === 'number') {
      const conn = this.#conn(NO_SOCKET, ends, false)
      stream.on('error', () => {})
      stream.destroy()
      conn.broke(pair === null ? null : systemError('socketpair', pair))
      return conn
    }
    const [ours, theirs] = pair
    const conn = this.#conn(ours, ends, true)
    this.#reactor.libc.leaveToNode(theirs)
    const bridge = new Bridge(stream, theirs, (error) => conn.broke(error), this.#forgetBridge)
    this.#bridges.add(bridge)
    conn.behind = bridge
    const watching = this.#reactor.watch(ours, conn, CONN_EVENTS)
    if (watching < 0) conn.broke(systemError('epoll_ctl', watching))
    else if (stream.destroyed) conn.broke(stream.errored ?? null)
    return conn
  }

  budget({ kept }: DescriptorBudget): void {
    this.#headroom.keep(kept)
  }

  onShortage(listener: ShortageListener | null): void {
    this.#onShortage = listener
  }

  hasSpare(): boolean {
    if (this.#isClosed) return false
    for (const listening of this.#listenings) if (listening.isStarving) return false
    this.#dropSpare()
    // Beside a client that may come.
    if (!this.#claim(1 + DESCRIPTORS_PER_CLIENT)) return false
    this.#spare = 1
    this.#unclaim(DESCRIPTORS_PER_CLIENT)
    return true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const listening of this.#listenings) await listening.close()
    for (const listener of this.#bound.keys()) this.unbind(listener)
    for (const lent of this.#lent) lent.close()
    for (const dial of this.#dials.values()) dial.cancel()
    for (const link of this.#links.values()) link.destroy('drained')
    for (const conn of this.#conns.values()) conn.destroy()
    for (const bridge of this.#bridges) bridge.destroy()
    this.#pipes.closeAll()
    this.#reactor.shutDown()
    // The ends of the links are told on this turn, bridges closed by the next.
    await new Promise((resolve) => setImmediate(resolve))
  }

  async #bind(spec: ListenSpec): Promise<Bound> {
    if (this.#isClosed) throw misuse(CLOSED)
    const bound = await bind(this.#reactor, spec)
    if (!this.#isClosed) return bound
    bound.close()
    throw misuse(CLOSED)
  }

  #startAccepting(
    fd: ListenFd,
    address: Address,
    onAccept: (client: Conn) => void,
    close: () => void,
  ): Listening {
    const listening: LinuxListening = new LinuxListening(
      this.#reactor,
      fd,
      address,
      this.#supply,
      (socket, at) => this.#accepted(socket, at, onAccept),
      () => {
        this.#listenings.delete(listening)
        close()
      },
    )
    try {
      listening.start()
    } catch (thrown) {
      close()
      throw listenError(address, thrown)
    }
    this.#listenings.add(listening)
    return listening
  }

  /** What is claimed, and clients that have no upstream yet, and no dial that has its descriptor; of all threads. */
  #promised(): number {
    const forClients = Math.max(0, this.#clients - this.#links.size - this.#reactor.dialling)
    this.#promises.tell(forClients + this.#claimed)
    return this.#promises.all
  }

  #claim(count: number): boolean {
    this.#claimed += count
    if (this.#headroom.hasRoom(this.#reactor.anyFd, this.#promised())) return true
    this.#unclaim(count)
    return false
  }

  #unclaim(count: number): void {
    this.#claimed -= count
    this.#promised()
  }

  #dropSpare(): void {
    const spare = this.#spare
    this.#spare = 0
    if (spare > 0) this.#unclaim(spare)
  }

  #giveUp(): void {
    this.#dropSpare()
    this.#pipes.closeSpare()
    this.#onShortage?.()
  }

  /** Something may have been opened that was promised, or is not needed any more. */
  #kept(): void {
    if (this.#promises.own > 0) this.#promised()
  }

  #accepted(fd: SocketFd, at: Address, onAccept: (client: Conn) => void): void {
    const { libc } = this.#reactor
    const remote = at.kind === 'tcp' ? tcpAddressOf(libc.peer) : nameless
    const conn = this.#client(fd, { local: isEverywhere(at) ? null : at, remote })
    const watching = this.#reactor.watch(fd, conn, CONN_EVENTS)
    if (watching < 0) {
      conn.destroy()
      return
    }
    try {
      onAccept(conn)
    } catch (thrown) {
      conn.destroy()
      warnOfThrow('onAccept', thrown)
    }
  }

  #client(fd: SocketFd, ends: ConnEnds): LinuxConn {
    this.#clients++
    return this.#conn(fd, ends, true, this.#forgetClient)
  }

  #conn(fd: SocketFd, ends: ConnEnds, writable: boolean, onClosed = this.#forgetConn): LinuxConn {
    const conn = new LinuxConn(this.#reactor, fd, ends, writable, onClosed)
    this.#conns.set(conn.id, conn)
    return conn
  }

  #tellDial(dial: LinuxDial, error: TidegateError | null, conn: LinuxConn | null): void {
    try {
      dial.done(error, conn)
    } catch (thrown) {
      conn?.destroy()
      warnOfThrow("a dial's callback", thrown)
    }
  }

  #own(conn: Conn): LinuxConn {
    if (conn instanceof LinuxConn) return conn
    throw misuse('the connection is another engine’s')
  }
}
