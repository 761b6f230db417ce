/**
 * What a store knows of the connections that are being recorded: whose a packet is, how far each direction has come, and which
 * file has it. All of it can be taken back to how it was before the write that is under way, as a write stores all or nothing.
 *
 * A connection whose end is never written (its thread died; more closes were given up than a recorder keeps) stays known: some
 * 500 bytes each, until another one has its ends. Of those that no file has been told of, only the youngest stay.
 */

import { parseAddress } from '../../address.js'
import { decodeAnnotation, isOfKind, type OpenAnnotation } from '../annotation.js'
import type { PacketEnd, PacketEnds } from '../endpoints.js'
import { packetEnds } from '../endpoints.js'
import { FLAGS, type PacketRoute, packetRoutes } from '../tcp-packet.js'
import { initialSequence } from '../track.js'
import { hashEnds, type PacketCursor } from './packet.js'
import type { FileTarget, TargetFile } from './targets.js'

export class KnownStream {
  readonly route: PacketRoute
  /** Of the first byte. */
  readonly firstSequence: number
  /** Bytes of the stream up to here. */
  position = 0
  ended = false
  #savedPosition = 0
  #savedEnded = false

  constructor(route: PacketRoute, isn: number) {
    this.route = route
    this.firstSequence = isn + 1
  }

  /** A packet whose first byte has this number, which has to be less than 2 GiB from where the stream is. */
  see(sequence: number, length: number): void {
    const ahead = (sequence - this.firstSequence - this.position) | 0
    if (ahead + length > 0) this.position += ahead + length
  }

  save(): void {
    this.#savedPosition = this.position
    this.#savedEnded = this.ended
  }

  restore(): void {
    this.position = this.#savedPosition
    this.ended = this.#savedEnded
  }
}

export class KnownConnection {
  readonly open: OpenAnnotation
  readonly hash: number
  readonly interfaceIndex: number
  readonly upstream: KnownStream
  readonly downstream: KnownStream
  readonly target: FileTarget
  /** Who records it. */
  readonly seat: number
  /** The file that has been told of it; null: the next one has to be. */
  file: TargetFile | null = null
  /** Some file has been told of it. */
  told = false
  /** Of the same hash. */
  next: KnownConnection | null = null
  /** The write that has touched it last. */
  touched = 0
  #savedFile: TargetFile | null = null
  #savedTold = false

  constructor(
    open: OpenAnnotation,
    hash: number,
    interfaceIndex: number,
    routes: { readonly upstream: PacketRoute; readonly downstream: PacketRoute },
    salt: number,
    target: FileTarget,
    seat: number,
  ) {
    this.open = open
    this.hash = hash
    this.interfaceIndex = interfaceIndex
    this.upstream = new KnownStream(routes.upstream, initialSequence(open.id, salt))
    this.downstream = new KnownStream(routes.downstream, initialSequence(open.id, ~salt))
    this.target = target
    this.seat = seat
  }

  /** Null: it is another's packet. */
  streamOf(packet: PacketCursor): KnownStream | null {
    const { source, destination } = this.upstream.route
    if (isFrom(packet, source, destination)) return this.upstream
    return isFrom(packet, destination, source) ? this.downstream : null
  }

  save(): void {
    this.upstream.save()
    this.downstream.save()
    this.#savedFile = this.file
    this.#savedTold = this.told
  }

  restore(): void {
    this.upstream.restore()
    this.downstream.restore()
    this.file?.connections.delete(this)
    this.file = this.#savedFile
    this.file?.connections.add(this)
    this.told = this.#savedTold
  }
}

const isAt = (view: DataView, at: number, words: number, end: PacketEnd): boolean => {
  if (end.words.length !== words) return false
  for (let word = 0; word < words; word++)
    if ((end.words[word] ?? 0) !== view.getUint32(at + word * 4)) return false
  return true
}

const isFrom = (packet: PacketCursor, source: PacketEnd, destination: PacketEnd): boolean =>
  packet.sourcePort === source.port &&
  packet.destinationPort === destination.port &&
  isAt(packet.block.view, packet.sourceAt, packet.addressWords, source) &&
  isAt(packet.block.view, packet.destinationAt, packet.addressWords, destination)

/**
 * Connections that began in writes that failed. Only what a recorder has on its way may still speak of one as if it were known, and that is
 * less; beyond it, a disk that stays full must not fill the memory.
 */
const MAX_UNTOLD = 16_384

const saysOpen = (comment: string): boolean => isOfKind(comment, 'open')
const saysClose = (comment: string): boolean => isOfKind(comment, 'close')

export class Connections {
  readonly #salt: number
  readonly #targetOf: (open: OpenAnnotation) => FileTarget
  readonly #byHash = new Map<number, KnownConnection>()
  #size = 0
  /** Whose connections begin just now. */
  seat = 0
  /** Whose the last packet was: most are the same's as the one before. */
  #last: KnownConnection | null = null
  #write = 1
  readonly #touched: KnownConnection[] = []
  readonly #removed: KnownConnection[] = []
  readonly #begun: KnownConnection[] = []
  /** Begun in writes that failed, the oldest first; some have been told of since. */
  readonly #untold = new Set<KnownConnection>()

  /** `salt` is the recorders' own: with it the first sequence numbers are known, also where no SYN was stored. */
  constructor(salt: number, targetOf: (open: OpenAnnotation) => FileTarget) {
    this.#salt = salt
    this.#targetOf = targetOf
  }

  find(packet: PacketCursor): KnownConnection | null {
    if (this.#last?.streamOf(packet) != null) return this.#last
    let found = this.#byHash.get(hashEnds(packet)) ?? null
    while (found !== null && found.streamOf(packet) === null) found = found.next
    this.#last = found
    return found
  }

  /** The connection that a packet with an `open` comment begins, in place of one that had its ends; else null. */
  begin(packet: PacketCursor): KnownConnection | null {
    const { comments } = packet.block
    const comment = comments.length === 0 ? undefined : comments.findLast(saysOpen)
    const open = comment === undefined ? null : decodeAnnotation(comment)
    return open?.kind === 'open' ? this.#begin(packet, open) : null
  }

  #begin(packet: PacketCursor, open: OpenAnnotation): KnownConnection {
    const before = this.find(packet)
    if (before?.open.id === open.id) return before
    if (before !== null) this.remove(before)
    const routes = packetRoutes(endsOf(packet, open))
    const { interfaceIndex } = packet.block
    const target = this.#targetOf(open)
    const hash = hashEnds(packet)
    const salt = this.#salt
    const connection = new KnownConnection(open, hash, interfaceIndex, routes, salt, target, this.seat)
    target.users++
    this.#insert(connection)
    this.#begun.push(connection)
    return connection
  }

  /** Enters what a packet says of its connection: how far it has come, and what was lost before it. True: it is the last. */
  follow(connection: KnownConnection, packet: PacketCursor): boolean {
    this.touch(connection)
    const stream = connection.streamOf(packet)
    if (stream === null) return false
    const { comments } = packet.block
    if (comments.length > 0) passGaps(connection, comments)
    const isSyn = (packet.flags & FLAGS.syn) !== 0
    if (packet.payloadBytes > 0) stream.see(packet.sequence, packet.payloadBytes)
    else if (!isSyn && (packet.flags & FLAGS.fin) !== 0) stream.see(packet.sequence, 0)
    if ((packet.flags & FLAGS.fin) !== 0) stream.ended = true
    return comments.length > 0 && comments.some(saysClose)
  }

  /** Before anything of it is changed in this write. */
  touch(connection: KnownConnection): void {
    if (connection.touched === this.#write) return
    connection.touched = this.#write
    connection.save()
    this.#touched.push(connection)
  }

  remove(connection: KnownConnection): void {
    this.touch(connection)
    connection.file?.connections.delete(connection)
    connection.file = null
    this.#take(connection)
    this.#removed.push(connection)
  }

  /** Not yet removed. */
  get size(): number {
    return this.#size
  }

  /** All of this seat. */
  removeOf(seat: number): void {
    for (const first of [...this.#byHash.values()])
      for (let each: KnownConnection | null = first; each !== null; ) {
        const { next }: KnownConnection = each
        if (each.seat === seat) this.remove(each)
        each = next
      }
  }

  /** What has been done since is done; also what began for a target that got nothing is known. */
  commit(): void {
    for (const connection of this.#begun) if (!connection.told) this.#untold.add(connection)
    for (const { target } of this.#removed) target.users--
    this.#next()
    this.#boundUntold()
  }

  /**
   * Everything is as it was at the last {@link commit}, but that connections which have begun since are known all the same: packets of
   * theirs may be on their way that say nothing of it, because their recorder has not heard yet that its word was lost.
   */
  rollback(): void {
    for (const connection of this.#removed) this.#insert(connection)
    for (const connection of this.#touched) connection.restore()
    for (const connection of this.#begun) this.#untold.add(connection)
    this.#next()
    this.#boundUntold()
  }

  /** Down to half of them, so that not each write that fails has to look at all. */
  #boundUntold(): void {
    if (this.#untold.size <= MAX_UNTOLD) return
    for (const connection of this.#untold) if (connection.told) this.#untold.delete(connection)
    for (const connection of this.#untold) {
      if (this.#untold.size <= MAX_UNTOLD / 2) return
      this.#take(connection)
      connection.target.users--
    }
  }

  #next(): void {
    this.#write++
    this.#touched.length = 0
    this.#removed.length = 0
    this.#begun.length = 0
  }

  #insert(connection: KnownConnection): void {
    connection.next = this.#byHash.get(connection.hash) ?? null
    this.#byHash.set(connection.hash, connection)
    this.#size++
  }

  #take(connection: KnownConnection): void {
    if (this.#last === connection) this.#last = null
    this.#untold.delete(connection)
    const first = this.#byHash.get(connection.hash)
    if (first === connection) {
      if (connection.next === null) this.#byHash.delete(connection.hash)
      else this.#byHash.set(connection.hash, connection.next)
    } else {
      let before = first
      while (before !== undefined && before.next !== connection) before = before.next ?? undefined
      if (before !== undefined) before.next = connection.next
    }
    connection.next = null
    this.#size--
  }
}

const passGaps = (connection: KnownConnection, comments: readonly string[]): void => {
  for (const comment of comments) {
    const gap = isOfKind(comment, 'gap') ? decodeAnnotation(comment) : null
    if (gap?.kind !== 'gap') continue
    const stream = connection[gap.direction]
    stream.position = Math.max(stream.position, gap.at + gap.length)
  }
}

const endAt = (view: DataView, at: number, words: number, port: number): PacketEnd => ({
  words: Array.from({ length: words }, (_, word) => view.getUint32(at + word * 4)),
  port,
})

const sameEnd = (left: PacketEnd, right: PacketEnd): boolean =>
  left.port === right.port && left.words.every((word, index) => word === right.words[index])

/** Only the server's end is sure to be what the annotation makes of it: the client may have been given another port. */
const endsOf = (packet: PacketCursor, open: OpenAnnotation): PacketEnds => {
  const { version, block, addressWords, sourceAt, destinationAt, sourcePort, destinationPort } = packet
  const source = endAt(block.view, sourceAt, addressWords, sourcePort)
  const destination = endAt(block.view, destinationAt, addressWords, destinationPort)
  const real = packetEnds(parseAddress(open.client), parseAddress(open.server), open.id)
  return sameEnd(source, real.server) && !sameEnd(destination, real.server)
    ? { version, client: destination, server: source }
    : { version, client: source, server: destination }
}
