/**
 * The store for many files. What goes where a {@link Planner} says; here it is done, all of it or nothing: if one of the files cannot be
 * written, what the others got of the same write is cut off again.
 *
 * But for what is one client's or listener's own trouble: a folder of theirs that no file can be begun in (another user's, a link that leads
 * out) costs nobody else. The write is done again without what goes there, which is refused.
 */

import { join } from 'node:path'
import { MAX_OPEN_FILES } from '../../core/budget/plan.js'
import { nextPeriod } from '../../core/record/files/period.js'
import { type FileWork, Planner } from '../../core/record/files/planner.js'
import type { ClosedFile, CurrentFiles } from '../../core/record/files/retention.js'
import type { TargetFile } from '../../core/record/files/targets.js'
import { expandTemplate, type PathTemplate } from '../../core/record/files/template.js'
import { errnoOf, TidegateError } from '../../errors.js'
import { type Refusal, STORE_FIGURE, type Store, type StoreHost } from '../../ports/store.js'
import { type Durability, Syncs } from '../file/durability.js'
import { whyOf, writeFailed } from '../file/failure.js'
import { FreeSpace, type FreeSpaceFloor, isAboutRoom } from '../file/free-space.js'
import { syncFolder } from '../file/sync-folder.js'
import { folderBelow } from './base-folder.js'
import { DiskFile } from './disk-file.js'
import { type FileName, FileNames } from './names.js'

/** Files that are current at a time. Each takes about a kilobyte of memory. */
export const MAX_CURRENT_FILES = 16_384

/** Plain data. */
export interface FilesTarget {
  readonly where: string
  /** Without links, there already. */
  readonly base: string
  readonly template: PathTemplate
  readonly sequenceSalt: number
  readonly rotateBytes: number | null
  readonly rotateMs: number | null
  readonly durability: Durability
  readonly floor: FreeSpaceFloor
  readonly sectionStart: Uint8Array
}

/** Who is told of files that are complete. */
export interface ClosedFiles {
  /** Of this path, as long as it is not added. */
  begin(path: string): void
  add(file: ClosedFile): void
  /**
   * For a write that failed: removes what is beyond the limits, and gives back what a compression under way has taken. Resolves
   * soon, to whether that was something. Null: there is nothing to be had.
   */
  makeRoom(): Promise<boolean> | null
  /** What is not done after this time is left to the next start. */
  close(timeoutMs: number): Promise<void>
}

interface Done {
  readonly work: FileWork
  readonly disk: DiskFile
  /** Where the file ended before. */
  readonly end: number
}

interface Lost {
  readonly file: TargetFile
  readonly disk: DiskFile
}

/** What is wrong with a folder or a name, and not with the disk or the process. */
const OWN_TROUBLES = new Set([
  'EACCES',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOENT',
  'ENOTDIR',
  'EPERM',
  'EROFS',
])

/** When so many cannot be had in one write, it is everybody's trouble; and each costs another look at all of it. */
const MOST_SHUT_AT_ONCE = 64

/** The store's own word is that a link leads out. */
const isOwnTrouble = (error: unknown): boolean =>
  error instanceof TidegateError || OWN_TROUBLES.has(errnoOf(error) ?? '')

/** No file can be begun for this target. */
class ShutTarget extends TidegateError {
  readonly key: string

  constructor(key: string, folder: string, cause: unknown) {
    super('write_failed', `'${folder}/': ${whyOf(cause)}`, { fault: 'system', where: folder, cause })
    this.key = key
  }
}

interface Shut {
  readonly error: ShutTarget
  readonly untilMs: number
}

/** The longest that a timer of Node's waits. */
const MAX_TIMER_MS = 2 ** 31 - 1

export class FilesStore implements Store {
  readonly where: string
  readonly #target: FilesTarget
  readonly #host: StoreHost
  readonly #planner: Planner
  readonly #names: FileNames
  readonly #free: FreeSpace
  readonly #closedFiles: ClosedFiles
  readonly #disks = new Map<TargetFile, DiskFile>()
  /** Those with a descriptor, the one used longest ago first. */
  readonly #open = new Set<DiskFile>()
  /** Files of the write that is under way. */
  readonly #created = new Map<DiskFile, FileName>()
  #currentBytes = 0
  #closed = false
  #rotation: NodeJS.Timeout | null = null
  readonly #syncs: Syncs
  #rotationFails = false
  /** Targets that no file can be begun for, and until when that is not tried again. */
  readonly #shut = new Map<string, Shut>()

  constructor(
    target: FilesTarget,
    host: StoreHost,
    closedFiles: (current: () => CurrentFiles) => ClosedFiles,
  ) {
    const { where, base, template, durability, floor, ...options } = target
    this.where = where
    this.#target = target
    this.#host = host
    this.#planner = new Planner({ ...options, splitsBy: template.splitsBy, maxFiles: MAX_CURRENT_FILES })
    this.#names = new FileNames(template.extension)
    this.#free = new FreeSpace(base, floor)
    this.#closedFiles = closedFiles(() => ({ files: this.#disks.size, bytes: this.#currentBytes }))
    this.#syncs = new Syncs(durability, host)
    this.#syncs.start(() => [...this.#open])
  }

  write(bytes: Uint8Array, seat = 0): Refusal | undefined | Promise<Refusal | undefined> {
    if (this.#closed)
      throw new TidegateError('misuse', `'${this.where}' is closed`, { fault: 'internal', where: this.where })
    try {
      return this.#put(bytes, seat)
    } catch (error) {
      const room = isAboutRoom(error) ? this.#closedFiles.makeRoom() : null
      if (room === null) throw error
      return this.#putLater(bytes, seat, room, error)
    }
  }

  #put(bytes: Uint8Array, seat: number): Refusal | undefined {
    this.#free.check(bytes.length)
    const shut = this.#shutNow()
    for (let tries = 0; ; tries++) {
      try {
        this.#carryOut(() => this.#planner.plan(bytes, Date.now(), seat, shut))
        break
      } catch (error) {
        if (!(error instanceof ShutTarget) || tries === MOST_SHUT_AT_ONCE) throw error
        this.#shut.set(error.key, { error, untilMs: Date.now() + RETRY_MS })
        shut.add(error.key)
      }
    }
    this.#setRotation()
    return this.#refusal()
  }

  /** Those that are left out without trying. */
  #shutNow(): Set<string> {
    const nowMs = Date.now()
    for (const [key, { untilMs }] of this.#shut) if (untilMs <= nowMs) this.#shut.delete(key)
    return new Set(this.#shut.keys())
  }

  /** Of the write that was just done. */
  #refusal(): Refusal | undefined {
    const { targets, payloadBytes } = this.#planner.leftOut
    if (targets.size === 0) return undefined
    const connections = new Map<number, Error>()
    for (const [connection, key] of targets) {
      const shut = this.#shut.get(key)
      if (shut !== undefined) connections.set(connection, shut.error)
    }
    return { connections, payloadBytes }
  }

  /** Tries it again as long as that makes room. */
  async #putLater(
    bytes: Uint8Array,
    seat: number,
    making: Promise<boolean>,
    failure: unknown,
  ): Promise<Refusal | undefined> {
    if (!(await making) || this.#closed) throw failure
    return this.write(bytes, seat)
  }

  left(seat: number): void {
    this.#planner.left(seat)
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#rotation !== null) clearTimeout(this.#rotation)
    try {
      this.#carryOut(() => this.#planner.endAll(Date.now()))
    } catch (error) {
      this.#host.log('warn', { why: whyOf(error) }, 'the last files of the recording could not be ended')
      for (const disk of this.#disks.values()) disk.park()
    }
    await this.#syncs.stop([])
    await this.#closedFiles.close(timeoutMs)
  }

  /** @throws TidegateError `write_failed`; then nothing of it was done. */
  #carryOut(plan: () => readonly FileWork[]): void {
    let lost = this.#tryOnce(plan)
    while (lost !== null) {
      this.#planner.forget(lost.file)
      this.#forget(lost.file, lost.disk)
      lost = this.#tryOnce(plan)
    }
  }

  /** Null when it is done, or a file that somebody has removed: then nothing of it was done. */
  #tryOnce(plan: () => readonly FileWork[]): Lost | null {
    const done: Done[] = []
    try {
      for (const work of plan()) {
        const lost = this.#append(work, done)
        if (lost === null) continue
        this.#takeAllBack(done)
        return lost
      }
    } catch (error) {
      this.#takeAllBack(done)
      throw error instanceof TidegateError ? error : writeFailed(this.where, error)
    }
    this.#planner.commit()
    this.#created.clear()
    this.#settle(done)
    return null
  }

  #takeAllBack(done: Done[]): void {
    for (const each of done.reverse()) this.#takeBack(each)
    this.#planner.rollback()
    this.#created.clear()
  }

  #append(work: FileWork, done: Done[]): Lost | null {
    const disk = this.#diskOf(work)
    if (!disk.isThere) return { file: work.file, disk }
    done.push({ work, disk, end: disk.bytes })
    disk.append(work.parts, work.bytes)
    if (this.#syncs.isAlways) disk.sync()
    this.#keepOpen(disk)
    return null
  }

  #diskOf({ file, begins }: FileWork): DiskFile {
    const known = this.#disks.get(file)
    if (known !== undefined) return known
    if (!begins) throw new Error('a file of the recording is not known')
    const disk = this.#create(file)
    this.#disks.set(file, disk)
    return disk
  }

  #create(file: TargetFile): DiskFile {
    const { base, template } = this.#target
    const { folders, stem } = expandTemplate(template, Date.now(), file.target.values)
    try {
      return this.#createIn(folderBelow(base, folders, this.#syncs.isAlways), stem)
    } catch (error) {
      // Without a folder of its own it is everybody's.
      if (folders.length === 0 || template.splitsBy.length === 0 || !isOwnTrouble(error)) throw error
      throw new ShutTarget(file.target.key, folders.join('/'), error)
    }
  }

  #createIn(folder: string, stem: string): DiskFile {
    for (;;) {
      const name = this.#names.free(folder, stem)
      try {
        return this.#createNamed(folder, name)
      } catch (error) {
        // Somebody was faster; each time it is another name.
        if (errnoOf(error) === 'EEXIST') continue
        this.#names.giveBack(name)
        throw error
      }
    }
  }

  #createNamed(folder: string, name: FileName): DiskFile {
    const disk = DiskFile.create(join(folder, name.name))
    try {
      if (this.#syncs.isAlways) syncFolder(folder)
    } catch (error) {
      disk.remove()
      throw error
    }
    this.#created.set(disk, name)
    this.#closedFiles.begin(disk.path)
    return disk
  }

  #takeBack({ work, disk, end }: Done): void {
    if (!work.begins) {
      disk.cutBack(end)
      if (disk.isOpen) this.#keepOpen(disk)
      return
    }
    disk.remove()
    const name = this.#created.get(disk)
    if (name !== undefined) this.#names.giveBack(name)
    this.#disks.delete(work.file)
    this.#open.delete(disk)
  }

  #settle(done: readonly Done[]): void {
    const { figures } = this.#host
    const { files, fileBytes } = STORE_FIGURE
    for (const { work, disk } of done) {
      if (work.begins) figures[files] = (figures[files] ?? 0) + 1
      figures[fileBytes] = (figures[fileBytes] ?? 0) + work.bytes
      this.#currentBytes += work.bytes
      if (work.ends) this.#complete(work.file, disk)
    }
  }

  #complete(file: TargetFile, disk: DiskFile): void {
    this.#forget(file, disk)
    this.#syncs.leave(disk)
    disk.park()
    this.#closedFiles.add({ path: disk.path, bytes: disk.bytes, closedMs: Date.now() })
  }

  #forget(file: TargetFile, disk: DiskFile): void {
    this.#currentBytes -= disk.bytes
    this.#disks.delete(file)
    this.#open.delete(disk)
  }

  #keepOpen(disk: DiskFile): void {
    this.#open.delete(disk)
    this.#open.add(disk)
    for (const oldest of this.#open) {
      if (this.#open.size <= MAX_OPEN_FILES) return
      this.#syncs.leave(oldest)
      oldest.park()
      this.#open.delete(oldest)
    }
  }

  /** The next moment at which files may have to be ended, whether something is written or not. */
  #setRotation(): void {
    const { rotateMs } = this.#target
    if (rotateMs === null || this.#closed || this.#rotation !== null || this.#disks.size === 0) return
    const nowMs = Date.now()
    const waitMs = Math.min(MAX_TIMER_MS, nextPeriod(nowMs, rotateMs) - nowMs)
    this.#rotation = setTimeout(() => this.#rotate(), waitMs)
  }

  /** Ends the files whose time is over, also where nothing more is written. */
  #rotate(): void {
    this.#rotation = null
    try {
      this.#carryOut(() => this.#planner.endDue(Date.now()))
      this.#rotationFails = false
      this.#setRotation()
    } catch (error) {
      if (!this.#rotationFails)
        this.#host.log('warn', { why: whyOf(error) }, 'files of the recording cannot be ended yet')
      this.#rotationFails = true
      this.#rotation = setTimeout(() => this.#rotate(), RETRY_MS)
    }
  }
}

const RETRY_MS = 1000
