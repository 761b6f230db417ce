/**
 * The portable engine: `node:net`, on every OS. It keeps the books of what is open, so that `close` leaves nothing;
 * the work is done by listener, dialer, conn and link.
 */

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from '../../core/address.js'
import type {
  Conn,
  DescriptorBudget,
  Dial,
  DialDone,
  DialOptions,
  Engine,
  Link,
  LinkObserver,
  LinkOptions,
  Listening,
  ListenSpec,
  ShortageListener,
} from '../../ports/engine.js'
import { type Ends, endsOfStream, endsOfTcp, nameless } from '../shared/addresses.js'
import { dialError, misuse, warnOfThrow } from '../shared/errors.js'
import { keepFreedMemory } from './allocator.js'
import { PortableConn } from './conn.js'
import { PortableDial } from './dialer.js'
import { PortableLink } from './link.js'
import { listen, type PortableListening, type Supply } from './listener.js'
import { Places } from './places.js'

export const createPortableEngine = (): Engine => {
  keepFreedMemory()
  return new PortableEngine()
}

const CLOSED = 'the engine is closed'

class PortableEngine implements Engine {
  readonly name = 'portable'
  readonly acceptsAll = true
  readonly #listenings = new Set<PortableListening>()
  readonly #dials = new Set<PortableDial>()
  readonly #links = new Set<PortableLink>()
  readonly #conns = new Set<PortableConn>()
  readonly #forgetListening = (listening: PortableListening): void => {
    this.#listenings.delete(listening)
    // What it held is free for what others hold.
    this.#freed()
  }
  readonly #forgetDial = (dial: PortableDial): void => {
    this.#dials.delete(dial)
    if (dial.isForClient) this.#clientDials--
    this.#freed()
  }
  readonly #forgetLink = (link: PortableLink): void => void this.#links.delete(link)
  readonly #forgetConn = (conn: PortableConn): void => {
    if (this.#conns.delete(conn)) this.#freed()
  }
  readonly #forgetClient = (conn: PortableConn): void => {
    if (this.#conns.has(conn)) this.#clients--
    this.#forgetConn(conn)
  }
  /** Conns that were accepted. */
  #clients = 0
  #clientDials = 0
  readonly #supply: Supply = {
    places: new Places(() => ({
      conns: this.#conns.size,
      dials: this.#dials.size,
      clients: this.#clients,
      links: this.#links.size,
      clientDials: this.#clientDials,
    })),
    short: () => this.#onShortage?.(),
  }
  #onShortage: ShortageListener | null = null
  #isFreeing = false
  #isClosed = false

  async listen(spec: ListenSpec, onAccept: (client: Conn) => void): Promise<Listening> {
    if (this.#isClosed) throw misuse(CLOSED)
    const onSocket = (socket: Socket, at: Address): void => {
      const ends = at.kind === 'tcp' ? endsOfTcp(socket) : { local: at, remote: nameless }
      this.#clients++
      const conn = this.#adopt(socket, ends, this.#forgetClient)
      try {
        onAccept(conn)
      } catch (thrown) {
        conn.destroy()
        warnOfThrow('onAccept', thrown)
      }
    }
    const listening = await listen(spec, this.#supply, onSocket, this.#forgetListening)
    this.#listenings.add(listening)
    if (this.#isClosed) {
      await listening.close()
      throw misuse(CLOSED)
    }
    return listening
  }

  dial(address: Address, options: DialOptions, done: DialDone, client?: Conn): Dial {
    const tell: DialDone = (error, conn) => {
      try {
        done(error, conn)
      } catch (thrown) {
        conn?.destroy()
        warnOfThrow("a dial's callback", thrown)
      }
    }
    const dial = new PortableDial(
      address,
      options,
      {
        connected: (socket) => {
          const ends = address.kind === 'tcp' ? endsOfTcp(socket) : { local: nameless, remote: address }
          tell(null, this.#adopt(socket, ends))
        },
        failed: (error) => tell(error, null),
      },
      this.#forgetDial,
      client !== undefined,
    )
    this.#dials.add(dial)
    if (dial.isForClient) this.#clientDials++
    if (this.#isClosed) {
      dial.cancel()
      process.nextTick(() => tell(dialError(address, new Error(CLOSED)), null))
    }
    return dial
  }

  link(client: Conn, upstream: Conn, observer: LinkObserver, options: LinkOptions): Link {
    const ours = this.#own(client)
    const theirs = this.#own(upstream)
    if (ours === theirs || ours.isLinked || theirs.isLinked)
      throw misuse('one of the connections is linked already')
    const link = new PortableLink(ours, theirs, observer, options, this.#forgetLink)
    this.#links.add(link)
    return link
  }

  adopt(stream: Duplex): Conn {
    // The other side's end must not end ours. Node allows to change this until it has been emitted.
    stream.allowHalfOpen = true
    return this.#adopt(stream, endsOfStream(stream))
  }

  budget(budget: DescriptorBudget): void {
    this.#supply.places.keepTo(budget)
    this.#freed()
  }

  onShortage(listener: ShortageListener | null): void {
    this.#onShortage = listener
  }

  hasSpare(): boolean {
    for (const listening of this.#listenings) if (listening.isStarving) return false
    return !this.#isClosed && this.#supply.places.hasSpare()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const listening of this.#listenings) await listening.close()
    for (const dial of this.#dials) dial.cancel()
    for (const link of this.#links) link.destroy('drained')
    for (const conn of this.#conns) conn.destroy()
    // The ends of the links are told on this turn, the descriptors closed by the next.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Not at once: whoever has closed one may be about to close another, or to dial with it. */
  #freed(): void {
    if (this.#isFreeing) return
    for (const { isStarving } of this.#listenings) if (isStarving) this.#isFreeing = true
    if (!this.#isFreeing) return
    setImmediate(() => {
      this.#isFreeing = false
      for (const listening of this.#listenings) if (listening.isStarving) listening.handOut()
    })
  }

  #adopt(stream: Duplex, ends: Ends, onClosed = this.#forgetConn): PortableConn {
    const conn = new PortableConn(stream, ends, onClosed)
    this.#conns.add(conn)
    if (this.#isClosed) conn.destroy()
    return conn
  }

  #own(conn: Conn): PortableConn {
    if (conn instanceof PortableConn) return conn
    throw misuse('the connection is another engine’s')
  }
}
