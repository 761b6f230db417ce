/**
 * One file of a series on disk, with calls that block. It is opened without following links and must not be there before; what is
 * written goes to its end, and can be taken back until the next write. Its descriptor may be closed between writes, and is
 * opened again when it is needed, if the file is still the same.
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  unlinkSync,
  writevSync,
} from 'node:fs'
import { syncBeside, syncNow } from '../file/durability.js'

const OWNER_ONLY = 0o600

// Not on Windows, where they are 0 for us.
const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants

/** Vectors that every system takes at once (IOV_MAX). */
const MAX_PARTS = 1024

/** A descriptor, and how many still need it. */
interface Opened {
  readonly descriptor: number
  users: number
}

const letGo = (opened: Opened): void => {
  opened.users--
  if (opened.users === 0) closeSync(opened.descriptor)
}

export class DiskFile {
  readonly path: string
  readonly #id: { readonly dev: number; readonly ino: number }
  #opened: Opened | null
  /** End of what was written whole. */
  #end = 0
  /** Something may be behind that which could not be cut. */
  #torn = false
  /** Written since it was last forced to the disk. */
  #dirty = false

  private constructor(path: string, descriptor: number) {
    this.path = path
    this.#opened = { descriptor, users: 1 }
    const { dev, ino } = fstatSync(descriptor)
    this.#id = { dev, ino }
  }

  /** @throws what the system says, EEXIST if there is something of that name. */
  static create(path: string): DiskFile {
    const descriptor = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, OWNER_ONLY)
    try {
      fchmodSync(descriptor, OWNER_ONLY)
      return new DiskFile(path, descriptor)
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  }

  get bytes(): number {
    return this.#end
  }

  get isOpen(): boolean {
    return this.#opened !== null
  }

  /** False once it was removed or replaced; while it is open that makes no difference. */
  get isThere(): boolean {
    if (this.isOpen) return true
    try {
      return this.#isSame(lstatSync(this.path))
    } catch {
      return false
    }
  }

  /** Writes `parts`, `bytes` in all, behind what is there. @throws what the system says; then {@link cutBack} has to follow. */
  append(parts: readonly Uint8Array[], bytes: number): void {
    const descriptor = this.#open()
    if (this.#torn) this.#cut(descriptor, this.#end)
    this.#torn = true
    this.#dirty = true
    writeAll(descriptor, parts, this.#end)
    this.#end += bytes
    this.#torn = false
  }

  /** To what it was before the last {@link append}. If that fails, the next append tries it again before anything else. */
  cutBack(end: number): void {
    this.#end = end
    this.#torn = true
    try {
      this.#cut(this.#open(), end)
    } catch {
      // Whoever cuts back has an error to tell already.
    }
  }

  /** @throws what the system says. */
  sync(): void {
    if (!this.#dirty) return
    syncNow(this.#open())
    this.#dirty = false
  }

  /** Resolves to what went wrong, or null. Its descriptor stays open until then. */
  async syncBeside(): Promise<Error | null> {
    const opened = this.#opened
    if (!this.#dirty || opened === null) return null
    this.#dirty = false
    opened.users++
    const error = await syncBeside(opened.descriptor)
    letGo(opened)
    return error
  }

  /** Closes the descriptor, once nobody forces the file to the disk. */
  park(): void {
    const opened = this.#opened
    this.#opened = null
    if (opened !== null) letGo(opened)
  }

  /** As if it had never been. */
  remove(): void {
    this.park()
    try {
      if (this.#isSame(lstatSync(this.path))) unlinkSync(this.path)
    } catch {
      // It is gone, or cannot be removed: then it stays, an empty or a torn file, which the next start repairs.
    }
  }

  #open(): number {
    if (this.#opened !== null) return this.#opened.descriptor
    const descriptor = openSync(this.path, O_RDWR | O_NOFOLLOW)
    if (!this.#isSame(fstatSync(descriptor))) {
      closeSync(descriptor)
      throw new Error('another file has taken its place')
    }
    this.#opened = { descriptor, users: 1 }
    return descriptor
  }

  #isSame({ dev, ino }: { readonly dev: number; readonly ino: number }): boolean {
    return dev === this.#id.dev && ino === this.#id.ino
  }

  #cut(descriptor: number, end: number): void {
    ftruncateSync(descriptor, end)
    this.#torn = false
  }
}

const writeAll = (descriptor: number, parts: readonly Uint8Array[], from: number): void => {
  let at = from
  for (let first = 0; first < parts.length; first += MAX_PARTS) {
    let rest = parts.slice(first, first + MAX_PARTS)
    while (rest.length > 0) {
      const written = writevSync(descriptor, rest, at)
      if (written === 0) throw new Error('the system wrote nothing')
      at += written
      rest = after(rest, written)
    }
  }
}

/** What of the parts is left behind their first `written` bytes. */
const after = (parts: readonly Uint8Array[], written: number): Uint8Array[] => {
  let left = written
  let index = 0
  for (; index < parts.length; index++) {
    const length = parts[index]?.length ?? 0
    if (left < length) break
    left -= length
  }
  const [first, ...others] = parts.slice(index)
  return first === undefined ? [] : [first.subarray(left), ...others]
}
