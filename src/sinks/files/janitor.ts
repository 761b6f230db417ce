/**
 * Looks after the files that are complete: compresses them, removes the oldest where there are too many. Before that, once, after
 * what an earlier run has left: compressions that were not finished, torn ends, files that are not compressed yet. One
 * thing at a time, beside the writes.
 */

import { rmdirSync } from 'node:fs'
import { rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type ClosedFile,
  type CurrentFiles,
  insertClosed,
  type RetentionLimits,
  surplus,
} from '../../core/record/files/retention.js'
import type { PathTemplate } from '../../core/record/files/template.js'
import { errnoOf, messageOf } from '../../errors.js'
import { STORE_FIGURE, type StoreHost } from '../../ports/store.js'
import { type Compressed, compressFile } from './compress.js'
import type { ClosedFiles } from './files-store.js'
import { type FoundFile, findSeries, isRecording } from './found.js'
import { repairFile } from './repair.js'

export interface JanitorOptions {
  readonly base: string
  readonly template: PathTemplate
  readonly compress: 'none' | Compressed
  readonly limits: RetentionLimits
}

/** How often it is looked whether files are too old, or too many beside those that grow. */
const RETENTION_MS = 5000

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
  readonly #abort = new AbortController()
  #work: Promise<void>
  readonly #timer: NodeJS.Timeout | null
  /** Troubles that were told. */
  readonly #told = new Set<string>()

  constructor(options: JanitorOptions, host: StoreHost, current: () => CurrentFiles) {
    this.#options = options
    this.#host = host
    this.#current = current
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
    this.#then(async () => {
      await this.#compress(file)
      await this.#retain()
    })
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    const late = setTimeout(() => this.#abort.abort(), timeoutMs * CLOSE_SHARE)
    await this.#work
    clearTimeout(late)
  }

  #then(task: () => Promise<void>): void {
    this.#work = this.#work.then(() => this.#guarded('looked after', this.#options.base, task))
  }

  /** What earlier runs have left. */
  async #tidy(): Promise<void> {
    const { base, template } = this.#options
    const left: FoundFile[] = []
    for await (const file of findSeries(base, template)) {
      if (this.#ours?.has(file.path) || this.#abort.signal.aborted) continue
      if (file.partial) await rm(file.path, { force: true })
      else left.push(file)
    }
    this.#ours = null
    const newestMs = left.reduce((newest, { modifiedMs }) => Math.max(newest, modifiedMs), 0)
    for (const file of left.sort((a, b) => a.modifiedMs - b.modifiedMs))
      await this.#guarded('looked after', file.path, () => this.#takeOver(file, newestMs))
    await this.#retain()
    for (const file of [...this.#closed]) await this.#compress(file)
  }

  async #takeOver(file: FoundFile, newestMs: number): Promise<void> {
    const { path, compressed, modifiedMs } = file
    if (this.#abort.signal.aborted) return
    let { bytes } = file
    if (compressed === null && modifiedMs >= newestMs - MAYBE_TORN_MS) {
      const repaired = await repairFile(path)
      if (repaired.kind === 'foreign' || repaired.kind === 'removed') return
      if (repaired.kind === 'cut') {
        const { cutBytes } = repaired
        bytes -= cutBytes
        this.#host.log(
          'warn',
          { file: path, cutBytes },
          'the recording ended in a torn block, which was cut off',
        )
      }
    }
    insertClosed(this.#closed, { path, bytes, closedMs: modifiedMs })
  }

  async #compress(file: ClosedFile): Promise<void> {
    const { compress } = this.#options
    const isDone = file.path.endsWith('.gz') || file.path.endsWith('.zst')
    if (compress === 'none' || isDone || this.#abort.signal.aborted || !this.#closed.includes(file)) return
    await this.#guarded('compressed', file.path, async () => {
      const compressed = await compressFile(file.path, compress, this.#abort.signal)
      const at = this.#closed.indexOf(file)
      this.#closed.splice(at, 1, { ...file, ...compressed })
    })
  }

  async #retain(): Promise<void> {
    const { limits } = this.#options
    for (const file of surplus(this.#closed, this.#current(), limits, Date.now())) {
      if (this.#abort.signal.aborted) return
      this.#closed.splice(this.#closed.indexOf(file), 1)
      await this.#guarded('removed', file.path, () => this.#remove(file))
    }
  }

  async #remove({ path }: ClosedFile): Promise<void> {
    if (!(await isRecording(path))) return this.#tell('removed', path, 'it is no recording')
    await unlink(path)
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
      this.#tell(what, path, errnoOf(error) ?? messageOf(error))
    }
  }

  #tell(what: string, file: string, why: string): void {
    if (this.#told.has(what)) return
    this.#told.add(what)
    this.#host.log('warn', { file, why }, `a file of the recording cannot be ${what}: ${why}`)
  }
}
