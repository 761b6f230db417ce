/**
 * Which pairs of ends are in use in the recording. Two connections may really have the same: one client port reaches two
 * listeners that share an upstream, or is used again before the earlier connection's close is written. Their
 * packets could not be told apart, so the later one's client is given another port; its real one is in the `open`
 * annotation.
 */

import type { PacketEnds } from './endpoints.js'

const keyOf = ({ client, server }: PacketEnds): string =>
  `${client.words.join('.')}:${client.port}-${server.words.join('.')}:${server.port}`

const MAX_PORT = 0xffff
/** The dynamic range (RFC 6335), where client ports are expected. */
const FIRST_PORT = 49152

export class Tuples {
  readonly #used = new Set<string>()
  #lastPort = MAX_PORT

  /** These ends, or where they are in use the same with another client port. */
  claim(ends: PacketEnds): PacketEnds {
    let free = ends
    for (let tries = FIRST_PORT; tries <= MAX_PORT && this.#used.has(keyOf(free)); tries++)
      free = { ...ends, client: { ...ends.client, port: this.#nextPort() } }
    this.#used.add(keyOf(free))
    return free
  }

  release(ends: PacketEnds): void {
    this.#used.delete(keyOf(ends))
  }

  /** Goes round, so that the next claim need not pass over what the last ones took. */
  #nextPort(): number {
    this.#lastPort = this.#lastPort === MAX_PORT ? FIRST_PORT : this.#lastPort + 1
    return this.#lastPort
  }
}
