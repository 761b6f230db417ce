/**
 * Sees to it that each file of one row is complete in itself: what has to be written in front of a write, so that the file it goes to
 * knows the connections from earlier files.
 *
 *     nextFile      what is written from now on goes to another file
 *     introductions  →  (the disk)  →  commit, or rollback: everything is as before the write
 *
 * Connections that have nothing to say are not introduced, so a file costs no more than what is in it. They are in front of the
 * write, not among its packets, as nothing of a write counts before all of it is written.
 */

import { Connections } from './connections.js'
import { introduce } from './hand-over.js'
import { isFirstOpen, newCursor, readPacket } from './packet.js'
import { type FileTarget, TargetFile } from './targets.js'

const nextFileOf = (target: FileTarget): TargetFile => new TargetFile(target, Number.POSITIVE_INFINITY)

export class Takeover {
  readonly #target: FileTarget = { key: '', values: { client: '', listener: '' }, file: null, users: 0 }
  readonly #connections: Connections
  readonly #cursor = newCursor()
  #file = nextFileOf(this.#target)
  #named = 0
  #namedBefore = 0

  /** `sequenceSalt`: the recorders'. */
  constructor(sequenceSalt: number) {
    this.#connections = new Connections(sequenceSalt, () => this.#target)
  }

  /** Connections that the current file has, or had. */
  get named(): number {
    return this.#named
  }

  /** Connections that have not been seen to close. */
  get connections(): number {
    return this.#connections.size
  }

  nextFile(): void {
    this.#file = nextFileOf(this.#target)
    this.#named = 0
  }

  /** No more comes of this seat's connections. Only between a commit or rollback and the next {@link introductions}. */
  left(seat: number): void {
    this.#connections.removeOf(seat)
    this.commit()
  }

  /** `bytes`: whole blocks of packets of this seat. @throws Error if they are not. */
  introductions(bytes: Uint8Array, seat: number): readonly Uint8Array[] {
    this.#connections.seat = seat
    const { block } = this.#cursor
    const introductions: Uint8Array[] = []
    this.#namedBefore = this.#named
    block.start(bytes)
    while (block.next()) if (readPacket(this.#cursor)) introductions.push(...this.#take())
    return introductions
  }

  commit(): void {
    this.#connections.commit()
  }

  rollback(): void {
    this.#connections.rollback()
    this.#named = this.#namedBefore
  }

  #take(): readonly Uint8Array[] {
    const packet = this.#cursor
    const opened = this.#connections.begin(packet)
    const connection = opened ?? this.#connections.find(packet)
    if (connection === null) return []
    const isNew = connection.file !== this.#file
    const introduction =
      isNew && (opened === null || !isFirstOpen(packet)) ? introduce(connection, packet) : []
    if (isNew) {
      this.#connections.touch(connection)
      connection.file?.connections.delete(connection)
      connection.file = this.#file
      connection.told = true
      this.#file.connections.add(connection)
      this.#named++
    }
    if (this.#connections.follow(connection, packet)) this.#connections.remove(connection)
    return introduction
  }
}
