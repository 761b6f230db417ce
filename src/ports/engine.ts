/**
 * The engine port: accept, dial, and link two sockets. It fits on one screen; everything above it
 * (sessions, guards, recording) is the same for every engine, and `tidegate/testing` has the suite that any
 * engine must pass.
 *
 * - listening: a socket that accepts; `Listening` is the handle on it
 * - conn: one open socket, accepted or dialled, that nobody else touches until it is linked
 * - link: two conns joined, bytes moving both ways, until it ends or is interrupted
 *
 * No method throws for what the network does: that arrives through a callback. Durations are milliseconds; 0 means "no
 * limit".
 */

import type { Duplex } from 'node:stream'
import type { Address } from '../core/address.js'
import type { CloseReason } from '../core/close-reason.js'
import type { Direction, PerDirection } from '../core/direction.js'
import type { TidegateError } from '../errors.js'

export interface Engine {
  /** `portable`, `linux`, … as it appears in logs. */
  readonly name: string
  /** It cannot leave clients in the kernel's backlog: a listener that is paused holds them, accepted. */
  readonly acceptsAll: boolean
  /**
   * Starts accepting. `onAccept` owns each conn it is given.
   * @throws TidegateError (rejects) `address_in_use`, `permission_denied`, `name_not_found`, `listen_failed`.
   */
  listen(spec: ListenSpec, onAccept: (client: Conn) => void): Promise<Listening>
  /**
   * Starts connecting. `done` is called exactly once, never before `dial` returns, and not at all after `cancel`. `client`: a
   * conn of this engine that it is for. What has arrived there by now is sent once there is a connection: an engine may
   * let it complete the handshake.
   */
  dial(address: Address, options: DialOptions, done: DialDone, client?: Conn): Dial
  /** Joins two conns; both belong to the link until it ends or is interrupted. */
  link(client: Conn, upstream: Conn, observer: LinkObserver, options: LinkOptions): Link
  /** Makes a conn of a stream the caller opened (e.g. a TLS socket, already connected). The conn owns it from then on. */
  adopt(stream: Duplex): Conn
  /** Keeps to this from now on. Until then an engine keeps to what it can see of the process by itself, if anything. */
  budget(budget: DescriptorBudget): void
  /** Who is told of each shortage; `null`: nobody. */
  onShortage(listener: ShortageListener | null): void
  /**
   * Whether a connection may be opened that no client waits for: dialled ahead, it must not take a client's place. To be
   * asked before each.
   */
  hasSpare(): boolean
  /**
   * Opens a socket that listens, for a child process to accept from: this engine never does. Undefined: it cannot know of clients
   * without accepting them.
   * @throws TidegateError (rejects) as `listen`.
   */
  lend?(spec: ListenSpec): Promise<LentListener>
  /** Closes every listening, dial, link and conn that is left. Idempotent. */
  close(): Promise<void>
}

/**
 * What is left of the process's descriptors (`docs/budget.md`) once everything else has its part. A client is accepted only
 * while there is one for its upstream, too; nobody who was accepted is closed for want of one.
 */
export interface DescriptorBudget {
  /** For clients, their upstreams and pools, on all threads together: for an engine that counts its own. */
  readonly connections: number
  /** Beside those, for clients that wait accepted: for an engine that cannot leave them in the kernel's backlog. */
  readonly waiting: number
  /** Planned for what is opened later, beside a reserve: for an engine that sees what the process has open. */
  readonly kept: number
}

/**
 * Clients wait, or will soon, for want of descriptors: what can be done without is to be closed now. Called from inside the engine, which
 * looks again once something was closed, and after a while.
 */
export type ShortageListener = () => void

/**
 * An engine that can run on several threads of one process at a time, one instance on each. What goes from thread to thread
 * is plain data with a descriptor in it: descriptors belong to the process.
 */
export interface ThreadedEngine extends Engine {
  /**
   * Opens a socket that listens, for others to accept from: until somebody does, the kernel queues connections.
   * @throws TidegateError (rejects) as `listen`.
   */
  bind(spec: ListenSpec): Promise<SharedListener>
  /**
   * Accepts here from what some thread's engine has bound. Whichever thread is free takes a connection that waits.
   * Closing the `Listening` ends it here only: those that wait are not reset, and other threads go on.
   * @throws TidegateError `listen_failed` when no descriptor is left, or when the listener was unbound.
   */
  accept(listener: SharedListener, onAccept: (client: Conn) => void): Listening
  /**
   * Closes what this engine bound (this very object, not a copy). Those that come are refused, a unix socket's path is
   * removed, those that wait are reset (on a unix socket when the last thread has stopped accepting). Its address is
   * free when all have stopped. Idempotent.
   */
  unbind(listener: SharedListener): void
  lend(spec: ListenSpec): Promise<LentListener>
  /**
   * Takes a conn out of this engine without closing it, at any time while it is not linked, also from inside
   * `onAccept` or `done`. To whoever holds it, the conn is destroyed from then on. null when it was not open any more.
   * @throws TidegateError `misuse`: it is linked or being read, has bytes to write, has ended, or is an adopted stream.
   */
  release(conn: Conn): LooseSocket | null
  /** Makes a conn of what an engine of this process has released. One that broke meanwhile tells so as any conn does. */
  receive(socket: LooseSocket): Conn
}

/** A socket that listens, and that several threads accept from. */
export interface SharedListener {
  readonly fd: number
  /** The real address: port 0 has become the port the kernel chose. */
  readonly address: Address
}

/** A socket that listens, for a child process that is given its descriptor (`LISTEN_FDS`). */
export interface LentListener {
  /** Close-on-exec, so that only a child that is meant to has it; blocking, as systemd gives it. */
  readonly fd: number
  /** The real address: port 0 has become the port the kernel chose. */
  readonly address: Address
  /**
   * Who is told, once, when somebody waits to be accepted: at once if somebody does, though never before this returns. Nobody is
   * accepted by it. Replaces an earlier one; `null` removes it. Not to be used while a child accepts.
   * @throws TidegateError `listen_failed`: the system has no memory left to watch it.
   */
  onClient(callback: (() => void) | null): void
  /** Resets those that wait now, at most 4096; how many they were. Only while no child accepts. */
  turnAway(): number
  /** Those that wait are reset, those that come are refused, children that have it accept no more; a unix socket's path is removed. Idempotent. */
  close(): void
}

/** An open connection between two threads. Whoever holds it has to pass it on to `receive`, or it stays open. */
export interface LooseSocket {
  readonly fd: number
  /** null: nobody asked yet. */
  readonly local: Address | null
  readonly remote: Address
  /** Bytes that were taken from the socket and reached nobody, in a buffer of their own. */
  readonly unread: Uint8Array | null
}

export interface SocketOptions {
  /** TCP_NODELAY. Default true: a relay must not hold small writes back. Ignored on unix sockets. */
  readonly noDelay?: boolean
  /** Idle time before TCP keep-alive probes start, ms; 0 (default) leaves keep-alive off. */
  readonly keepAliveMs?: number
}

export interface ListenSpec extends SocketOptions {
  readonly address: Address
  /** Longest queue of connections the kernel holds for us. Default 4096. */
  readonly backlog?: number
  /** Do not accept IPv4 on a listener bound to `[::]`. Default false. */
  readonly ipv6Only?: boolean
}

export interface Listening {
  /** The real address: port 0 has become the port the kernel chose. */
  readonly address: Address
  /**
   * Stops handing out connections until `resume`: they wait in the kernel's backlog, or, where an engine
   * cannot leave them there, accepted and unread, at most `backlog` of them; more are reset. Idempotent.
   */
  pause(): void
  resume(): void
  /** Stops accepting; conns already handed out live on, those that wait are reset. Idempotent. A unix socket's path is removed. */
  close(): Promise<void>
}

export interface DialOptions extends SocketOptions {
  readonly timeoutMs: number
}

/** `code` is `dial_timeout`, `connection_refused`, `name_not_found`, `permission_denied` or `dial_failed`. */
export type DialDone = (error: TidegateError | null, conn: Conn | null) => void

export interface Dial {
  /** Gives up: the socket is closed and `done` is not called. Harmless after `done`. */
  cancel(): void
}

export interface Conn {
  /** Unique within the process. */
  readonly id: number
  readonly local: Address
  readonly remote: Address
  /** True while the socket is open both ways, nothing has arrived unread and nothing waits to be written. */
  isIdleAndAlive(): boolean
  /** What somebody who talks on would meet, as far as is known; only while not linked. */
  left(): UpstreamLeft
  /** As `left`, when the kernel has been asked: an engine that reads ahead needs a turn of the loop to know. */
  confirm(): UpstreamLeft | Promise<UpstreamLeft>
  /**
   * Watches a conn that is not linked: tells once when the other side ends (`fin`: before sending anything that is
   * still unread) or breaks it (`reset`). Bytes that arrive stay unread, in order, for the link. Replaces an earlier watcher;
   * `null` removes it. Linking removes it.
   */
  watch(onLeave: ((how: 'fin' | 'reset') => void) | null): void
  /**
   * Resolves with the next bytes (at most `maxBytes`), or an empty array at the other side's end. Only while
   * not linked, one read at a time.
   * @throws TidegateError (rejects) `read_timeout`, `connection_reset`, `aborted` (destroyed meanwhile), `misuse`.
   */
  read(maxBytes: number, timeoutMs: number): Promise<Uint8Array>
  /**
   * Puts bytes that were read back in front of what arrives next: the next `read`, or the link, gets them first. Only while
   * not linked and not being read. They are the conn's from then on, uncopied. Does nothing to a conn that was destroyed.
   * @throws TidegateError `misuse`.
   */
  unread(bytes: Uint8Array): void
  /** Resolves once the bytes are the kernel's. Only while not linked. @throws TidegateError (rejects) as `read`. */
  write(bytes: Uint8Array): Promise<void>
  /** Sends what is pending, then FIN. */
  end(): void
  /** Closes now, without RST where the kernel allows. Idempotent. */
  destroy(): void
  /** Closes now with RST (on a unix socket: as `destroy`). Idempotent. */
  reset(): void
}

export interface LinkOptions {
  /** Ends the link with `idle_timeout` when no byte moved in either direction for this long. */
  readonly idleTimeoutMs: number
  /** Once one direction has ended: ends with `half_close_timeout` when the other moved no byte for this long. */
  readonly halfCloseTimeoutMs: number
  /** At most this many bytes per direction wait in user memory, plus one read (64 KiB). Default 64 KiB. */
  readonly bufferBytes?: number
}

/**
 * Who watches a link. Without `onData` and `transform` the engine may move bytes where nobody can read them.
 * A callback that throws ends this link with `error` and nothing else.
 */
export interface LinkObserver {
  /**
   * Decides what is forwarded in place of `chunk`: itself, other bytes, or null for nothing. While a promise is pending the
   * direction waits (the chunk stays valid until it settles). A rejection ends the link with `error`.
   */
  transform?(chunk: Uint8Array, direction: Direction): Uint8Array | null | Promise<Uint8Array | null>
  /** Sees what is forwarded, in order, just before it is. `chunk` is valid only during the call. */
  onData?(chunk: Uint8Array, direction: Direction): void
  /**
   * `direction` has ended: its source's FIN was seen and everything before it has been observed. The FIN is passed on after
   * this returns; an `interrupt` from inside keeps it from the other side.
   */
  onEndOfStream?(direction: Direction): void
  /**
   * The upstream has ended or broken while no byte had been passed on either way and the client was there: asked at most once, before
   * anybody is told of that end. True: the link ends with reason null, the upstream is destroyed, and the client stays open, what it sent
   * unread in front, to be linked again. Not asked once an observer has seen a byte. An engine that is asked so looks at the upstream
   * before it passes on the client's first bytes.
   */
  onUpstreamLost?(): boolean
  /** Called once, when neither socket is touched any more; both are closed unless it was interrupted. Never before `link` returns. */
  onEnd(end: LinkEnd): void
}

export interface LinkEnd {
  /** null when it was interrupted, or only its upstream was lost. */
  readonly reason: CloseReason | null
  /** More detail for the log, when the reason alone does not tell. */
  readonly error: Error | null
  /** Bytes read from the source and passed on to the other socket. */
  readonly totals: PerDirection<number>
}

/**
 * What is left of a connection, e.g. of an upstream by `interrupt`: `clean` (open both ways, nothing unread, everything written), `unread` (bytes
 * arrived that no client got), `half_closed` (one direction has ended), `failed` (closed or broken).
 */
export type UpstreamLeft = 'clean' | 'unread' | 'half_closed' | 'failed'

export interface Link {
  /** Live figures, as in {@link LinkEnd}. */
  readonly totals: PerDirection<number>
  /**
   * Whether no answer is outstanding, as far as bytes tell: the last ones that moved went to the client and are its kernel's, or
   * none has moved at all; and the upstream has not ended.
   */
  isAnswered(): boolean
  /**
   * From inside `onEndOfStream` for the client's end: it is not passed on before `passEnd` or the upstream's own end. Does
   * nothing when the upstream has ended already.
   */
  keepEnd(): void
  /** The end that was kept is passed on. Harmless when none was. */
  passEnd(): void
  /** Stops reading from both sides, without limit of time (it does not count as idle). Not nested. */
  hold(): void
  /** Undoes `hold`. */
  release(): void
  /**
   * Takes the link apart without closing either conn. Resolves when neither pump can touch them again and what was read
   * from the client has been written; an upstream that does not take it within `timeoutMs` is destroyed
   * and reported `failed`. The observer's `onEnd` is called with reason null first. After the link's own end: `failed`.
   */
  interrupt(timeoutMs: number): Promise<UpstreamLeft>
  /**
   * Ends the link now with this reason: pending bytes are dropped, both sockets closed (`client_reset`,
   * `upstream_reset`, `denied`, `killed` and `error` with RST). Idempotent: the first end counts.
   */
  destroy(reason: CloseReason, error?: Error): void
}
