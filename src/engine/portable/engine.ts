/**
 * The portable engine: `node:net`, on every OS. It keeps the books of what is open, so that `close` leaves nothing;
 * the work is done by listener, dialer, conn and link.
 */

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from '../../core/address.js'
import type {
  Conn,
  Dial,
  DialDone,
  DialOptions,
  Engine,
  Link,
  LinkObserver,
  LinkOptions,
  Listening,
  ListenSpec,
} from '../../ports/engine.js'
import { type Ends, endsOfStream, endsOfTcp, nameless } from '../shared/addresses.js'
import { dialError, misuse, warnOfThrow } from '../shared/errors.js'
import { keepFreedMemory } from './allocator.js'
import { PortableConn } from './conn.js'
import { PortableDial } from './dialer.js'
import { PortableLink } from './link.js'
import { listen, type PortableListening } from './listener.js'

export const createPortableEngine = (): Engine => {
  keepFreedMemory()
  return new PortableEngine()
}

const CLOSED = 'the engine is closed'

class PortableEngine implements Engine {
  readonly name = 'portable'
  readonly #listenings = new Set<PortableListening>()
  readonly #dials = new Set<PortableDial>()
  readonly #links = new Set<PortableLink>()
  readonly #conns = new Set<PortableConn>()
  readonly #forgetListening = (listening: PortableListening): void => void this.#listenings.delete(listening)
  readonly #forgetDial = (dial: PortableDial): void => void this.#dials.delete(dial)
  readonly #forgetLink = (link: PortableLink): void => void this.#links.delete(link)
  readonly #forgetConn = (conn: PortableConn): void => void this.#conns.delete(conn)
  #isClosed = false

  async listen(spec: ListenSpec, onAccept: (client: Conn) => void): Promise<Listening> {
    if (this.#isClosed) throw misuse(CLOSED)
    const onSocket = (socket: Socket, at: Address): void => {
      const conn = this.#adopt(
        socket,
        at.kind === 'tcp' ? endsOfTcp(socket) : { local: at, remote: nameless },
      )
      try {
        onAccept(conn)
      } catch (thrown) {
        conn.destroy()
        warnOfThrow('onAccept', thrown)
      }
    }
    const listening = await listen(spec, onSocket, this.#forgetListening)
    this.#listenings.add(listening)
    if (this.#isClosed) {
      await listening.close()
      throw misuse(CLOSED)
    }
    return listening
  }

  dial(address: Address, options: DialOptions, done: DialDone): Dial {
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
    )
    this.#dials.add(dial)
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

  async close(): Promise<void> {
    this.#isClosed = true
    for (const listening of this.#listenings) await listening.close()
    for (const dial of this.#dials) dial.cancel()
    for (const link of this.#links) link.destroy('drained')
    for (const conn of this.#conns) conn.destroy()
    // The ends of the links are told on this turn, the descriptors closed by the next.
    await new Promise((resolve) => setImmediate(resolve))
  }

  #adopt(stream: Duplex, ends: Ends): PortableConn {
    const conn = new PortableConn(stream, ends, this.#forgetConn)
    this.#conns.add(conn)
    if (this.#isClosed) conn.destroy()
    return conn
  }

  #own(conn: Conn): PortableConn {
    if (conn instanceof PortableConn) return conn
    throw misuse('the connection is another engine’s')
  }
}
