/**
 * Looks after the files that are complete: compresses them, removes the oldest where there are too many. Before that, once, after
 * what an earlier run has left: compressions that were not finished, torn ends, files that are not compressed yet. One
 * thing at a time, beside the writes.
 */

import { rmdirSync } from 'node:fs'
import { rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type ClosedFile,
  type CurrentFiles,
  insertClosed,
  type RetentionLimits,
  surplus,
} from '../../core/record/files/retention.js'
import { COMPRESSED_ENDINGS, type PathTemplate } from '../../core/record/files/template.js'
import { errnoOf } from '../../errors.js'
import { STORE_FIGURE, type StoreHost } from '../../ports/store.js'
import { whyOf } from '../file/failure.js'
import { FreeSpace, type FreeSpaceFloor } from '../file/free-space.js'
import { isRecording, type Lock } from '../file/lock.js'
import { type Compressed, PARTIAL_ENDING } from './compress.js'
import { Compressions } from './compressions.js'
import type { ClosedFiles } from './files-store.js'
import { type FoundFile, findSeries } from './found.js'
import { recordingAt } from './origin.js'
import { repairFile } from './repair.js'

export interface JanitorOptions {
  readonly base: string
  readonly template: PathTemplate
  readonly compress: 'none' | Compressed
  readonly limits: RetentionLimits
  readonly floor: FreeSpaceFloor
  /** The run that it is of, which others see as long as the lock is held. */
  readonly recording: string | null
  readonly lock: Lock | null
}

/** How often it is looked whether files are too old, or too many beside those that grow. */
const RETENTION_MS = 5000

/** How long a write that found no room waits at most for what there is too much of to go, ms. */
const MAKE_ROOM_MS = 1000

/** Of the time that closing may take, what compressions may: the next start does the rest. */
const CLOSE_SHARE = 1 / 2

/** A kill tears what was being written just then, and a power failure what was written in the minutes before. */
const MAYBE_TORN_MS = 3_600_000

export class Janitor implements ClosedFiles {
  readonly #options: JanitorOptions
  readonly #host: StoreHost
  readonly #current: () => CurrentFiles
  /** The oldest first. */
  readonly #closed: ClosedFile[] = []
  /** Of this run, while what earlier runs have left is looked for; then null. */
  #ours: Set<string> | null = new Set()
  /** As long as it is not known what they have left. */
  #isTidying = true
  readonly #abort = new AbortController()
  #work: Promise<void>
  readonly #timer: NodeJS.Timeout | null
  /** Troubles that were told. */
  readonly #told = new Set<string>()
  readonly #compressions: Compressions
  /** Somebody waits for room. */
  #makesRoom = false
  /** How often something on the disk has gone. */
  #freed = 0
  /** Whether other runs whose files are here go on, as far as it was asked. */
  readonly #goesOn = new Map<string, Promise<boolean>>()

  constructor(options: JanitorOptions, host: StoreHost, current: () => CurrentFiles) {
    this.#options = options
    this.#host = host
    this.#current = current
    this.#compressions = new Compressions({
      how: options.compress,
      free: new FreeSpace(options.base, options.floor),
      signal: this.#abort.signal,
      isKept: (file) => this.#closed.includes(file),
      onDone: (file, compressed) => {
        this.#closed.splice(this.#closed.indexOf(file), 1, { ...file, ...compressed })
      },
      guarded: (...task) => this.#guarded(...task),
    })
    this.#work = this.#guarded('looked after', options.base, () => this.#tidy())
    const { keepBytes, keepMs, keepFiles } = options.limits
    const limited = keepBytes !== null || keepMs !== null || keepFiles !== null
    this.#timer = limited ? setInterval(() => this.#then(() => this.#retain()), RETENTION_MS) : null
  }

  begin(path: string): void {
    this.#ours?.add(path)
  }

  add(file: ClosedFile): void {
    insertClosed(this.#closed, file)
    this.#compressions.add(file)
    this.#then(() => this.#settle())
  }

  makeRoom(): Promise<boolean> | null {
    if (this.#makesRoom) return null
    const mayHelp = this.#isTidying || this.#compressions.isUnderWay || this.#surplus().length > 0
    return mayHelp ? this.#makeRoom() : null
  }

  async #makeRoom(): Promise<boolean> {
    const before = this.#freed
    this.#makesRoom = true
    if (this.#compressions.giveUp()) this.#freed++
    this.#then(() => this.#retain())
    await Promise.race([this.#work, delay(MAKE_ROOM_MS, undefined, { ref: false })])
    this.#makesRoom = false
    return this.#freed > before
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    const late = setTimeout(() => this.#abort.abort(), timeoutMs * CLOSE_SHARE)
    this.#then(() => this.#settle())
    await this.#work
    clearTimeout(late)
    this.#options.lock?.release()
  }

  #then(task: () => Promise<void>): void {
    this.#work = this.#work.then(() => this.#guarded('looked after', this.#options.base, task))
  }

  /** Removes what is too much, and compresses the rest, as long as nobody waits for room. */
  async #settle(): Promise<void> {
    await this.#retain()
    while (!this.#makesRoom && (await this.#compressions.next())) await this.#retain()
  }

  /** What earlier runs have left. */
  async #tidy(): Promise<void> {
    try {
      this.#compressions.addOlder(await this.#findWhole())
    } finally {
      this.#isTidying = false
    }
    await this.#settle()
  }

  /** Of earlier runs, to be compressed. */
  async #findWhole(): Promise<readonly ClosedFile[]> {
    const { base } = this.#options
    const left: FoundFile[] = []
    try {
      // What was found until something goes wrong is looked after all the same.
      await this.#guarded('looked for', base, () => this.#find(left))
    } finally {
      this.#ours = null
    }
    for (const file of left.filter(({ partial }) => partial))
      await this.#guarded('removed', file.path, () => this.#removePartial(file))
    const files = left.filter(({ partial }) => !partial)
    const newestMs = files.reduce((newest, { modifiedMs }) => Math.max(newest, modifiedMs), 0)
    const whole: ClosedFile[] = []
    for (const file of files.sort((a, b) => a.modifiedMs - b.modifiedMs))
      await this.#guarded('looked after', file.path, () => this.#takeOver(file, newestMs, whole))
    return whole
  }

  async #find(left: FoundFile[]): Promise<void> {
    const { base, template } = this.#options
    for await (const file of findSeries(base, template)) {
      if (this.#abort.signal.aborted) return
      if (!this.#ours?.has(file.path)) left.push(file)
    }
  }

  /** Whether it is a recording, of a run that is over, or of this one. */
  async #isLeft(path: string): Promise<boolean> {
    const recording = await recordingAt(path)
    if (recording === null || recording === this.#options.recording) return recording !== null
    const goesOn = this.#goesOn.get(recording) ?? isRecording(recording)
    this.#goesOn.set(recording, goesOn)
    return !(await goesOn)
  }

  /** A compression that was not finished: its original is there still, or it is none of ours. */
  async #removePartial({ path, compressed }: FoundFile): Promise<void> {
    if (this.#abort.signal.aborted || compressed === null) return
    const original = path.slice(0, -(COMPRESSED_ENDINGS[compressed] + PARTIAL_ENDING).length)
    if (await this.#isLeft(original)) await rm(path, { force: true })
  }

  async #takeOver(file: FoundFile, newestMs: number, whole: ClosedFile[]): Promise<void> {
    const { path, compressed, modifiedMs } = file
    if (this.#abort.signal.aborted || !(await this.#isLeft(path))) return
    const closed = { path, bytes: file.bytes, closedMs: modifiedMs }
    if (compressed !== null || modifiedMs < newestMs - MAYBE_TORN_MS) {
      insertClosed(this.#closed, closed)
      whole.push(closed)
      return
    }
    const repaired = await repairFile(path)
    const { kind } = repaired
    if (kind === 'foreign' || kind === 'taken') return
    const cutBytes = kind === 'cut' ? repaired.cutBytes : 0
    const rest = { ...closed, bytes: file.bytes - cutBytes }
    insertClosed(this.#closed, rest)
    if (kind === 'damaged') {
      const { offset, why } = repaired
      this.#host.log(
        'warn',
        { file: path, offset, why },
        'a file of the recording is damaged, and stays as it is',
      )
      return
    }
    whole.push(rest)
    if (kind === 'cut')
      this.#host.log(
        'warn',
        { file: path, cutBytes },
        'the recording ended in a torn block, which was cut off',
      )
  }

  #surplus(): readonly ClosedFile[] {
    return surplus(this.#closed, this.#current(), this.#options.limits, Date.now())
  }

  async #retain(): Promise<void> {
    for (const file of this.#surplus()) {
      if (this.#abort.signal.aborted) return
      this.#closed.splice(this.#closed.indexOf(file), 1)
      await this.#guarded('removed', file.path, () => this.#remove(file))
    }
  }

  async #remove({ path }: ClosedFile): Promise<void> {
    if ((await recordingAt(path)) === null) return this.#tell('removed', path, 'it is no recording of ours')
    await unlink(path)
    this.#freed++
    const { removedFiles } = STORE_FIGURE
    this.#host.figures[removedFiles] = (this.#host.figures[removedFiles] ?? 0) + 1
    this.#removeEmptyFolders(dirname(path))
  }

  /** At once, so that no file is begun in one meanwhile. */
  #removeEmptyFolders(folder: string): void {
    try {
      for (let empty = folder; empty.length > this.#options.base.length; empty = dirname(empty))
        rmdirSync(empty)
    } catch {
      // It has something in it.
    }
  }

  /** Runs a task; what goes wrong is told once of each kind, and nothing else waits for it. */
  async #guarded(what: string, path: string, task: () => Promise<void>): Promise<void> {
    try {
      await task()
      this.#told.delete(what)
    } catch (error) {
      // It was removed by somebody else, or closing does not wait for it.
      if (errnoOf(error) === 'ENOENT' || this.#abort.signal.aborted) return
      this.#tell(what, path, whyOf(error))
    }
  }

  #tell(what: string, file: string, why: string): void {
    if (this.#told.has(what)) return
    this.#told.add(what)
    this.#host.log('warn', { file, why }, `a file of the recording cannot be ${what}: ${why}`)
  }
}
