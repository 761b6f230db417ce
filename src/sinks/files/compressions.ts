/**
 * Complete files that are still to be compressed, one after the other, the oldest first. One that finds no room on the disk waits until
 * another file is complete; one that is under way gives its room back when it is asked to.
 */

import type { ClosedFile } from '../../core/record/files/retention.js'
import { COMPRESSED_ENDINGS } from '../../core/record/files/template.js'
import { type FreeSpace, isAboutRoom } from '../file/free-space.js'
import { type Compressed, compressFile } from './compress.js'
import { recordingAt } from './origin.js'

export interface CompressionsOptions {
  readonly how: 'none' | Compressed
  /** So that it leaves others what the recording leaves them. */
  readonly free: FreeSpace
  /** Nobody waits any more. */
  readonly signal: AbortSignal
  /** Whether the file is still there, as far as is known. */
  readonly isKept: (file: ClosedFile) => boolean
  readonly onDone: (file: ClosedFile, compressed: { readonly path: string; readonly bytes: number }) => void
  /** Runs a task of this name, and tells what goes wrong. */
  readonly guarded: (what: string, path: string, task: () => Promise<void>) => Promise<void>
}

const isCompressed = (path: string): boolean =>
  Object.values(COMPRESSED_ENDINGS).some((ending) => path.endsWith(ending))

export class Compressions {
  readonly #options: CompressionsOptions
  readonly #due: ClosedFile[] = []
  #underWay: AbortController | null = null

  constructor(options: CompressionsOptions) {
    this.#options = options
  }

  get isUnderWay(): boolean {
    return this.#underWay !== null
  }

  add(file: ClosedFile): void {
    if (this.#isFor(file)) this.#due.push(file)
  }

  /** Those of earlier runs come first. */
  addOlder(files: readonly ClosedFile[]): void {
    this.#due.unshift(...files.filter((file) => this.#isFor(file)))
  }

  /** Compresses the next file. False when there is none, or it has to wait. */
  async next(): Promise<boolean> {
    if (this.#options.signal.aborted) return false
    const file = this.#due.shift()
    if (file === undefined) return false
    const isOver = await this.#compress(file)
    // Not the first again: it may be larger than all others.
    if (!isOver) this.#due.push(file)
    return isOver
  }

  /** Gives up the one that is under way: for now. False: there is none, or it has been asked to already. */
  giveUp(): boolean {
    if (this.#underWay === null || this.#underWay.signal.aborted) return false
    this.#underWay.abort()
    return true
  }

  #isFor({ path }: ClosedFile): boolean {
    return this.#options.how !== 'none' && !isCompressed(path)
  }

  /** False: it has to wait. */
  async #compress(file: ClosedFile): Promise<boolean> {
    const { guarded, isKept } = this.#options
    let hasToWait = false
    await guarded('compressed', file.path, async () => {
      if (!isKept(file) || (await recordingAt(file.path)) === null) return
      const underWay = new AbortController()
      this.#underWay = underWay
      try {
        await this.#tryTo(file, underWay.signal)
      } catch (error) {
        hasToWait = underWay.signal.aborted || isAboutRoom(error)
        if (!underWay.signal.aborted) throw error
      } finally {
        this.#underWay = null
      }
    })
    return !hasToWait
  }

  async #tryTo(file: ClosedFile, givenUp: AbortSignal): Promise<void> {
    const { how, free, signal, onDone } = this.#options
    if (how === 'none') return
    // What it becomes is not larger, or hardly.
    free.check(file.bytes)
    onDone(file, await compressFile(file.path, how, AbortSignal.any([signal, givenUp])))
  }
}
