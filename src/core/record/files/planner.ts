/**
 * Says which bytes go to which file: reads the blocks of a write, ends files that are full or whose time is over, begins others, and
 * tells each of the connections that it takes over.
 *
 *     plan  →  works, in order  →  (the disk)  →  commit, or rollback: everything is as before
 *
 * A file has at least one packet, however small its limit is; it grows beyond it only for that one.
 */

import { Connections, type KnownConnection } from './connections.js'
import { handOver, introduce, MAX_CONTINUE_BYTES } from './hand-over.js'
import { isFirstOpen, newCursor, readPacket } from './packet.js'
import { nextPeriod } from './period.js'
import { numberedSection } from './section.js'
import { type FileTarget, TargetFile, Targets } from './targets.js'
import type { ValueName } from './template.js'

/** What is to be done to one file. */
export interface FileWork {
  readonly file: TargetFile
  /** It is not there yet. */
  readonly begins: boolean
  /** It gets nothing after this. */
  ends: boolean
  readonly parts: Uint8Array[]
  bytes: number
  /** The last blocks of the write that go here, one after the other: a part that may still grow. */
  runFrom: number
  runTo: number
}

export interface LeftOut {
  /** By the connection's number. */
  readonly targets: ReadonlyMap<number, string>
  readonly payloadBytes: number
}

export interface PlannerOptions {
  /** What each file has to begin with. */
  readonly sectionStart: Uint8Array
  readonly splitsBy: readonly ValueName[]
  /** The recorders'. */
  readonly sequenceSalt: number
  /** Null: no limit. */
  readonly rotateBytes: number | null
  readonly rotateMs: number | null
  /** Files that are current at a time; beyond it those are ended that were written to longest ago. */
  readonly maxFiles: number
}

const NOTHING = new Uint8Array(0)
const NOBODY: ReadonlySet<never> = new Set()

export class Planner {
  readonly #options: PlannerOptions
  readonly #targets: Targets
  readonly #connections: Connections
  readonly #cursor = newCursor()
  #works = new Map<TargetFile, FileWork>()
  /** How to take back what was done to files and targets. */
  readonly #undo: (() => void)[] = []
  /** Files begun so far, those of writes that failed counted as well. */
  #begun = 0
  #nowMs = 0
  #bytes: Uint8Array = NOTHING
  /** Keys of the targets that get nothing of this write. */
  #without: ReadonlySet<string> = NOBODY
  #leftOut = new Map<number, string>()
  #leftOutBytes = 0
  /** Current files, the one written to longest ago first. */
  readonly #current = new Set<TargetFile>()

  constructor(options: PlannerOptions) {
    this.#options = options
    this.#targets = new Targets(options.splitsBy)
    this.#connections = new Connections(options.sequenceSalt, (open) => this.#targets.of(open))
  }

  /**
   * `bytes`: whole blocks of packets of this seat, which must not change until {@link commit} or {@link rollback}. `without`: keys of
   * targets that get none of it, as if it had never come; see {@link leftOut}. @throws Error if they are not.
   */
  plan(
    bytes: Uint8Array,
    nowMs: number,
    seat = 0,
    without: ReadonlySet<string> = NOBODY,
  ): readonly FileWork[] {
    this.#nowMs = nowMs
    this.#without = without
    this.#leftOut = new Map()
    this.#leftOutBytes = 0
    this.#connections.seat = seat
    this.#bytes = bytes
    const { block } = this.#cursor
    block.start(bytes)
    while (block.next()) this.#place()
    this.#endBeyond(this.#options.maxFiles)
    for (const work of this.#works.values()) this.#endRun(work)
    return [...this.#works.values()]
  }

  /** Of the last plan: the connections that had packets for targets which get nothing, with the target's key, and what those said. */
  get leftOut(): LeftOut {
    return { targets: this.#leftOut, payloadBytes: this.#leftOutBytes }
  }

  /** Ends the files whose time is over. */
  endDue(nowMs: number): readonly FileWork[] {
    this.#nowMs = nowMs
    for (const file of [...this.#current]) if (file.endsAtMs <= nowMs) this.#end(file)
    return [...this.#works.values()]
  }

  endAll(nowMs: number): readonly FileWork[] {
    this.#nowMs = nowMs
    for (const file of [...this.#current]) this.#end(file)
    return [...this.#works.values()]
  }

  /** Connections that have not been seen to close, those that a file knows of included. */
  get connections(): number {
    return this.#connections.size
  }

  /** No more comes of this seat's connections, closed or not. Only between a commit or rollback and the next plan. */
  left(seat: number): void {
    this.#connections.removeOf(seat)
    this.commit()
  }

  /** The file has gone from the disk: the next packets begin another. Only between a commit and the next plan. */
  forget(file: TargetFile): void {
    for (const connection of file.connections) connection.file = null
    file.connections.clear()
    this.#current.delete(file)
    if (file.target.file === file) file.target.file = null
  }

  commit(): void {
    this.#bytes = NOTHING
    this.#connections.commit()
    this.#undo.length = 0
    this.#works = new Map()
    this.#targets.tidy()
  }

  rollback(): void {
    this.#bytes = NOTHING
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo()
    this.#connections.rollback()
    this.#works = new Map()
    this.#targets.tidy()
  }

  #place(): void {
    const packet = this.#cursor
    const { at, length } = packet.block
    const isPacket = readPacket(packet)
    const opened = isPacket ? this.#connections.begin(packet) : null
    const connection = opened ?? (isPacket ? this.#connections.find(packet) : null)
    const target = connection?.target ?? this.#targets.unknown()
    if (this.#without.size > 0 && connection !== null && this.#without.has(target.key)) {
      this.#leftOut.set(connection.open.id, target.key)
      this.#leftOutBytes += packet.payloadBytes
      return
    }
    const tells = connection !== null && (opened === null || !isFirstOpen(packet))
    const file = this.#room(target, connection, tells, length)
    if (connection !== null && connection.file !== file) this.#take(connection, file, tells)
    this.#append(file, at, length)
    if (connection === null) return
    if (this.#connections.follow(connection, packet)) this.#connections.remove(connection)
  }

  /** The target's current file, or another if this one has no room for the block. */
  #room(target: FileTarget, connection: KnownConnection | null, tells: boolean, length: number): TargetFile {
    const { file } = target
    if (file === null) return this.#begin(target)
    if (file.endsAtMs <= this.#nowMs) return this.#endAndBegin(file)
    const { rotateBytes } = this.#options
    if (rotateBytes === null) return file
    const isNew = connection !== null && connection.file !== file
    const told = isNew && tells ? MAX_INTRODUCTION_BYTES : 0
    const reserved = (file.connections.size + (isNew ? 1 : 0)) * MAX_CONTINUE_BYTES
    return file.size + told + length + reserved <= rotateBytes ? file : this.#endAndBegin(file)
  }

  #endAndBegin(file: TargetFile): TargetFile {
    this.#end(file)
    return this.#begin(file.target)
  }

  #begin(target: FileTarget): TargetFile {
    const { rotateMs, sectionStart } = this.#options
    const endsAtMs = rotateMs === null ? Number.POSITIVE_INFINITY : nextPeriod(this.#nowMs, rotateMs)
    const file = new TargetFile(target, endsAtMs)
    target.file = file
    this.#current.add(file)
    this.#undo.push(() => {
      target.file = null
      this.#current.delete(file)
    })
    const work: FileWork = { file, begins: true, ends: false, parts: [], bytes: 0, runFrom: 0, runTo: 0 }
    this.#works.set(file, work)
    this.#add(work, numberedSection(sectionStart, this.#begun++))
    return file
  }

  #end(file: TargetFile): void {
    const work = this.#workOf(file)
    work.ends = true
    for (const connection of [...file.connections]) {
      this.#connections.touch(connection)
      this.#add(work, handOver(connection, this.#nowMs))
      file.connections.delete(connection)
      connection.file = null
    }
    const { target } = file
    target.file = null
    this.#current.delete(file)
    this.#undo.push(() => {
      target.file = file
      this.#current.add(file)
    })
  }

  #endBeyond(maxFiles: number): void {
    for (const file of this.#current) {
      if (this.#current.size <= maxFiles) return
      this.#end(file)
    }
  }

  /** From now on the file has this connection. */
  #take(connection: KnownConnection, file: TargetFile, tells: boolean): void {
    this.#connections.touch(connection)
    if (tells) {
      const work = this.#workOf(file)
      for (const part of introduce(connection, this.#cursor)) this.#add(work, part)
    }
    connection.told = true
    connection.file = file
    file.connections.add(connection)
  }

  #workOf(file: TargetFile): FileWork {
    const known = this.#works.get(file)
    if (known !== undefined) return known
    const work: FileWork = { file, begins: false, ends: false, parts: [], bytes: 0, runFrom: 0, runTo: 0 }
    this.#works.set(file, work)
    // Now it is the one that was written to last.
    this.#current.delete(file)
    this.#current.add(file)
    const { size } = file
    this.#undo.push(() => {
      file.size = size
    })
    return work
  }

  #append(file: TargetFile, at: number, length: number): void {
    const work = this.#workOf(file)
    if (work.runTo !== at || at === 0) {
      this.#endRun(work)
      work.runFrom = at
    }
    work.runTo = at + length
    work.bytes += length
    file.size += length
  }

  #add(work: FileWork, part: Uint8Array): void {
    this.#endRun(work)
    work.parts.push(part)
    work.bytes += part.length
    work.file.size += part.length
  }

  #endRun(work: FileWork): void {
    if (work.runTo > work.runFrom) work.parts.push(this.#bytes.subarray(work.runFrom, work.runTo))
    work.runFrom = 0
    work.runTo = 0
  }
}

/** An `open` comment with the longest names, and the FINs of both directions. */
const MAX_INTRODUCTION_BYTES = 2048
