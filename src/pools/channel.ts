/**
 * One connection of a pool: what must be true of it when it changes hands.
 *
 * - clean: open both ways, silent, nothing unread, nothing unsent
 * - watched: read from while nobody uses it, so that an end, an error or a byte out of turn is seen when it comes
 */

import type { Duplex } from 'node:stream'
import type { Resource } from '../core/pool/resource.js'

type Listener = (...args: unknown[]) => void

const nothing = (): void => {}

export class Channel<C extends Duplex> {
  readonly socket: C
  /** Resolves when the descriptor is gone. */
  readonly closed: Promise<void>
  /** Its slot, where it has one. */
  resource: Resource<Channel<C>> | null = null
  /** It has been idle: what its peer did meanwhile is known only after the event loop has looked. */
  wasIdle = false
  #isDead = false
  #onDeath: (() => void) | null = null
  #listeners: ReadonlyMap<string | symbol, readonly Listener[]> = new Map()
  readonly #encoding: string | null

  constructor(socket: C) {
    this.socket = socket
    // For its whole life: an error between two uses must not end the process, and a user's own listeners hear it all the same.
    socket.on('error', nothing)
    this.closed = new Promise((resolve) => {
      if (socket.closed) resolve()
      else socket.once('close', () => resolve())
    })
    this.#encoding = socket.readableEncoding
  }

  get isClean(): boolean {
    const { socket } = this
    return (
      !this.#isDead &&
      !socket.destroyed &&
      socket.errored === null &&
      socket.readable &&
      socket.writable &&
      socket.readableLength === 0 &&
      socket.writableLength === 0
    )
  }

  /** Starts watching. `onDeath` is called once at most, not before this returns. */
  watch(onDeath: () => void): void {
    this.wasIdle = true
    if (this.#onDeath === null) {
      this.socket.on('readable', this.#onReadable)
      this.socket.on('end', this.#die)
      this.socket.on('close', this.#die)
      setReferenced(this.socket, false)
    }
    this.#onDeath = onDeath
  }

  /** Hands the stream over as if nobody had ever read from it. */
  unwatch(): void {
    if (this.#onDeath === null) return
    this.#onDeath = null
    this.socket.off('readable', this.#onReadable)
    this.socket.off('end', this.#die)
    this.socket.off('close', this.#die)
    setReferenced(this.socket, true)
  }

  /** Whoever listens now does so for the connection's whole life. */
  keepListeners(): void {
    const { socket } = this
    this.#listeners = new Map(socket.eventNames().map((name) => [name, listenersOf(socket, name)]))
  }

  /** Takes away what a user has left on it. What cannot be taken away makes it unclean. */
  reset(): void {
    const { socket } = this
    socket.unpipe()
    for (const name of socket.eventNames())
      for (const listener of listenersOf(socket, name))
        if (!this.#listeners.get(name)?.includes(listener)) socket.off(name, listener)
    if ('setTimeout' in socket && typeof socket.setTimeout === 'function') socket.setTimeout(0)
    if (socket.readableEncoding !== this.#encoding) this.#isDead = true
  }

  destroy(): void {
    this.#isDead = true
    this.unwatch()
    this.socket.destroy()
  }

  readonly #onReadable = (): void => {
    if (this.socket.readableLength > 0) this.#die()
    // The end is told only to those who read.
    else this.socket.read()
  }

  readonly #die = (): void => {
    this.#isDead = true
    const onDeath = this.#onDeath
    this.unwatch()
    onDeath?.()
  }
}

/** With the wrappers of `once`, which are what `off` has to be given. */
const listenersOf = (socket: Duplex, name: string | symbol): readonly Listener[] =>
  socket.rawListeners(name).map((listener) => listener as Listener)

/** An idle connection is no reason for a program to go on. */
const setReferenced = (socket: Duplex, isReferenced: boolean): void => {
  const method = isReferenced ? 'ref' : 'unref'
  if (method in socket) {
    const call: unknown = Reflect.get(socket, method)
    if (typeof call === 'function') call.call(socket)
  }
}
