/**
 * The file sink: recordings in one pcapng file, `--out FILE`.
 *
 * - a new file is readable by its owner only, whatever the umask: it holds everything that was said
 * - a pcapng file that is there is continued; what a kill left of its last block is cut first
 * - a file of any other kind is left alone
 * - a write that fails leaves nothing behind: the file is cut back to the last whole slab
 * - a character device or named pipe (`--out >(wireshark -k -i -)`) is written straight through
 */

import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { errnoOf, TidegateError } from '../../errors.js'
import type { Sink } from '../../ports/sink.js'
import { unwritable, writeFailed } from './failure.js'
import { type Lock, lockFile } from './lock.js'
import { damaged, inspectTail } from './tail.js'

export interface FileSink extends Sink {
  /** It continues a file that had a recording already. */
  readonly appended: boolean
  /** There was no file before. */
  readonly created: boolean
  /** What was left of a torn block and has been cut, in bytes. */
  readonly repairedBytes: number
}

const OWNER_ONLY = 0o600

/**
 * A kill tears at most one write. A tail longer than this (Wireshark's largest block) is no torn write but a damaged length in
 * the middle of the file, and cutting there would throw good packets away.
 */
const MAX_CUT_BYTES = 16 * 1024 * 1024

/** As long as a pcapng file's magic number. */
const MIN_SURE_BYTES = 4

/** A reader that keeps up empties the pipe within these turns of the loop; one that does not is looked at now and then. */
const BUSY_TRIES = 50
const FULL_PIPE_WAIT_MS = 10

const TAKEN = 'is being recorded to already'
const NOT_PCAPNG = 'exists and is not a pcapng file'

interface Target {
  readonly handle: FileHandle
  readonly lock: Lock | null
  /** Where the next byte goes; null where bytes are only passed on. */
  readonly position: number | null
  readonly appended: boolean
  readonly created: boolean
  readonly repairedBytes: number
}

class OpenFileSink implements FileSink {
  readonly where: string
  readonly appended: boolean
  readonly created: boolean
  readonly repairedBytes: number
  readonly #handle: FileHandle
  readonly #lock: Lock | null
  /** End of what was written whole. */
  #position: number | null
  /** A failed write left something after it. */
  #remains = false
  #closing: Promise<void> | null = null

  constructor(where: string, target: Target) {
    this.where = where
    this.appended = target.appended
    this.created = target.created
    this.repairedBytes = target.repairedBytes
    this.#handle = target.handle
    this.#lock = target.lock
    this.#position = target.position
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#closing !== null)
      throw new TidegateError('misuse', `'${this.where}' is closed`, { fault: 'internal', where: this.where })
    let done = 0
    try {
      await this.#cutRemains()
      while (done < bytes.length) {
        const bytesWritten = await this.#writeSome(bytes, done)
        if (bytesWritten === 0) throw new Error('the system wrote nothing')
        done += bytesWritten
      }
      if (this.#position !== null) this.#position += bytes.length
    } catch (error) {
      if (done > 0) this.#remains = true
      // If this fails as well, the next write tries it again before anything else.
      await this.#cutRemains().catch(() => {})
      throw writeFailed(this.where, error)
    }
  }

  async #writeSome(bytes: Uint8Array, from: number): Promise<number> {
    for (let tries = 0; ; tries++) {
      try {
        const position = this.#position === null ? null : this.#position + from
        return (await this.#handle.write(bytes, from, bytes.length - from, position)).bytesWritten
      } catch (error) {
        // A full pipe; a sink that is closed waits for no reader.
        if (errnoOf(error) !== 'EAGAIN' || this.#closing !== null) throw error
        if (tries < BUSY_TRIES) await setImmediate()
        else await setTimeout(FULL_PIPE_WAIT_MS)
      }
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#cutRemains().catch(() => {})
      await this.#handle.close()
    } finally {
      this.#lock?.release()
    }
  }

  /** @throws what the system says; in a pipe, where half a block cannot be taken back, always. */
  async #cutRemains(): Promise<void> {
    if (!this.#remains) return
    if (this.#position === null) throw new Error('an earlier write was cut short and cannot be taken back')
    await this.#handle.truncate(this.#position)
    this.#remains = false
  }
}

/**
 * Opens `path` for a recording. Its folder must exist.
 * @throws TidegateError (rejects) `file_unwritable` when it cannot be opened, is not a pcapng file, or is being recorded to
 * already; `file_damaged` when it is a pcapng file with damage that is not at its end. It is left as it was then.
 */
export const openFileSink = async (path: string): Promise<FileSink> => {
  try {
    return new OpenFileSink(path, (await createNew(path)) ?? (await openExisting(path)))
  } catch (error) {
    throw error instanceof TidegateError ? error : unwritable(path, error)
  }
}

/** Null when there is something at `path` already. */
const createNew = async (path: string): Promise<Target | null> => {
  const { O_RDWR, O_CREAT, O_EXCL } = constants
  let handle: FileHandle
  try {
    handle = await open(path, O_RDWR | O_CREAT | O_EXCL, OWNER_ONLY)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return null
    throw error
  }
  return guarded(handle, async () => {
    await handle.chmod(OWNER_ONLY)
    const lock = await lockFile(await handle.stat({ bigint: true }))
    // Somebody else found it in the moment since, and has it now.
    if (lock === null) throw refused(path, TAKEN)
    return { handle, lock, position: 0, appended: false, created: true, repairedBytes: 0 }
  })
}

const openExisting = async (path: string): Promise<Target> => {
  const found = await stat(path)
  if (found.isFIFO() || found.isCharacterDevice()) return openStream(path)
  const handle = await open(path, constants.O_RDWR)
  return guarded(handle, async () => {
    const file = await handle.stat({ bigint: true })
    if (!file.isFile()) throw refused(path, 'is not a regular file')
    const lock = await lockFile(file)
    if (lock === null) throw refused(path, TAKEN)
    try {
      return { handle, lock, created: false, ...(await continueFile(path, handle)) }
    } catch (error) {
      lock.release()
      throw error
    }
  })
}

const continueFile = async (
  path: string,
  handle: FileHandle,
): Promise<{ position: number; appended: boolean; repairedBytes: number }> => {
  const tail = await inspectTail(handle)
  switch (tail.kind) {
    case 'empty':
      return { position: 0, appended: false, repairedBytes: 0 }
    case 'whole':
      return { position: (await handle.stat()).size, appended: true, repairedBytes: 0 }
    case 'torn':
      // A line break alone also looks like the beginning of pcapng; no kill leaves as little as that.
      if (tail.offset === 0 && tail.cutBytes < MIN_SURE_BYTES) throw refused(path, NOT_PCAPNG)
      if (tail.cutBytes > MAX_CUT_BYTES)
        throw damaged(path, tail.offset, `${tail.cutBytes} bytes from there on are no whole block`)
      await handle.truncate(tail.offset)
      return { position: tail.offset, appended: tail.offset > 0, repairedBytes: tail.cutBytes }
    case 'damaged':
      throw damaged(path, tail.offset, tail.message)
    case 'foreign':
      throw refused(path, NOT_PCAPNG)
  }
}

/**
 * Without O_NONBLOCK, opening a pipe that nobody reads would wait without limit (fifo(7)), and so would writing to one
 * that is full: on a thread that cannot be interrupted, so that not even the process could end.
 */
const openStream = async (path: string): Promise<Target> => {
  const handle = await open(path, constants.O_WRONLY | constants.O_NONBLOCK)
  return { handle, lock: null, position: null, appended: false, created: false, repairedBytes: 0 }
}

const refused = (path: string, why: string): TidegateError =>
  new TidegateError('file_unwritable', `'${path}' ${why}; choose another --out`, {
    fault: 'usage',
    where: path,
  })

/** Closes the handle if `work` fails. */
const guarded = async <T>(handle: FileHandle, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    await handle.close()
    throw error
  }
}
