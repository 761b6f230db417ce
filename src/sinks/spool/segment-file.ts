/**
 * A segment while it is written, with calls that block: it is on a thread of its own. A write that fails leaves nothing behind;
 * where even cutting back fails, the next write tries that first, and readers are never told of more than what is whole.
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { writeFailed } from '../file/failure.js'

/** It holds all that was said. */
const OWNER_ONLY = 0o600

export class SegmentFile {
  readonly #path: string
  readonly #descriptor: number
  #end = 0
  /** Something may be behind the end. */
  #torn = false
  /** Something was written since the last sync. */
  #unsynced = false

  /** @throws what the system says; nothing is left then. */
  constructor(path: string) {
    const { O_WRONLY, O_CREAT, O_EXCL } = constants
    this.#path = path
    this.#descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL, OWNER_ONLY)
    fchmodSync(this.#descriptor, OWNER_ONLY)
  }

  /** Everything before it is whole. */
  get end(): number {
    return this.#end
  }

  /** All of `parts`, one after the other, or nothing. `synced`: only once the disk has it. @throws TidegateError `write_failed`. */
  write(parts: readonly Uint8Array[], synced: boolean): void {
    const end = this.#end
    try {
      this.#cut()
      this.#torn = true
      let at = end
      for (const part of parts) at = this.#writeAt(part, at)
      if (synced) fdatasyncSync(this.#descriptor)
      this.#torn = false
      this.#unsynced = !synced
      this.#end = at
    } catch (error) {
      this.#tryToCut()
      throw writeFailed(this.#path, error)
    }
  }

  /** Has the disk keep what was written. @throws TidegateError `write_failed`. */
  sync(): void {
    if (!this.#unsynced) return
    try {
      fdatasyncSync(this.#descriptor)
      this.#unsynced = false
    } catch (error) {
      throw writeFailed(this.#path, error)
    }
  }

  close(): void {
    this.#tryToCut()
    closeSync(this.#descriptor)
  }

  /** Closes and removes it. */
  discard(): void {
    closeSync(this.#descriptor)
    try {
      unlinkSync(this.#path)
    } catch {
      // At most a section without packets stays, which the next start removes.
    }
  }

  #writeAt(bytes: Uint8Array, at: number): number {
    for (let done = 0; done < bytes.length; ) {
      const written = writeSync(this.#descriptor, bytes, done, bytes.length - done, at + done)
      if (written === 0) throw new Error('the system wrote nothing')
      done += written
    }
    return at + bytes.length
  }

  #cut(): void {
    if (!this.#torn) return
    ftruncateSync(this.#descriptor, this.#end)
    this.#torn = false
  }

  #tryToCut(): void {
    try {
      this.#cut()
    } catch {
      // The write's own error is the one to tell.
    }
  }
}
