/**
 * The file sink: recordings in one pcapng file, `--out FILE`.
 *
 * - a new file is readable by its owner only, whatever the umask: it holds everything that was said
 * - a pcapng file that is there is continued; what a kill left of its last block is cut first
 * - a file of any other kind is left alone
 * - a character device or named pipe (`--out >(wireshark -k -i -)`) is written straight through
 *
 * It is opened and closed here, and written by a {@link FileWriter}, which may be on another thread: descriptors
 * belong to the process.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, TidegateError } from '../../errors.js'
import { unwritable } from './failure.js'
import { cutDue, type FileTarget, openAccount } from './file-writer.js'
import { type Lock, lockFile } from './lock.js'
import { syncFolder } from './sync-folder.js'
import { damaged, inspectTail, MAX_CUT_BYTES } from './tail.js'

/** An open file, for a {@link FileWriter} on whichever thread writes it. */
export interface FileSink {
  readonly target: FileTarget
  /** It continues a file that had a recording already. */
  readonly appended: boolean
  /** There was no file before. */
  readonly created: boolean
  /** What was left of a torn block and has been cut, in bytes. */
  readonly repairedBytes: number
  /** Cuts off what a writer may have left half-written, and closes. Only when nobody writes any more. Idempotent. */
  close(): Promise<void>
}

const OWNER_ONLY = 0o600

/** As long as a pcapng file's magic number. */
const MIN_SURE_BYTES = 4

const TAKEN = 'is being recorded to already'
const NOT_PCAPNG = 'exists and is not a pcapng file'

interface Opened {
  readonly handle: FileHandle
  readonly lock: Lock | null
  /** Where the next byte goes; null where bytes are only passed on. */
  readonly end: number | null
  readonly appended: boolean
  readonly created: boolean
  readonly repairedBytes: number
}

class OpenFileSink implements FileSink {
  readonly target: FileTarget
  readonly appended: boolean
  readonly created: boolean
  readonly repairedBytes: number
  readonly #handle: FileHandle
  readonly #lock: Lock | null
  #closing: Promise<void> | null = null

  constructor(where: string, { handle, lock, end, appended, created, repairedBytes }: Opened) {
    this.target = { where, descriptor: handle.fd, account: openAccount(end) }
    this.appended = appended
    this.created = created
    this.repairedBytes = repairedBytes
    this.#handle = handle
    this.#lock = lock
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      const end = cutDue(this.target.account)
      if (end !== null) await this.#handle.truncate(end).catch(() => {})
      await this.#handle.close()
    } finally {
      this.#lock?.release()
    }
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
const createNew = async (path: string): Promise<Opened | null> => {
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
    trySyncFolder(dirname(path))
    return { handle, lock, end: 0, appended: false, created: true, repairedBytes: 0 }
  })
}

/** Some file systems cannot; the file itself is then all there is to sync. */
const trySyncFolder = (folder: string): void => {
  try {
    syncFolder(folder)
  } catch {
    // Its name may be lost with a power failure in its first seconds.
  }
}

const openExisting = async (path: string): Promise<Opened> => {
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
): Promise<{ end: number; appended: boolean; repairedBytes: number }> => {
  const tail = await inspectTail(handle)
  switch (tail.kind) {
    case 'empty':
      return { end: 0, appended: false, repairedBytes: 0 }
    case 'whole':
      return { end: (await handle.stat()).size, appended: true, repairedBytes: 0 }
    case 'torn':
      // A line break alone also looks like the beginning of pcapng; no kill leaves as little as that.
      if (tail.offset === 0 && tail.cutBytes < MIN_SURE_BYTES) throw refused(path, NOT_PCAPNG)
      if (tail.cutBytes > MAX_CUT_BYTES)
        throw damaged(path, tail.offset, `${tail.cutBytes} bytes from there on are no whole block`)
      await handle.truncate(tail.offset)
      return { end: tail.offset, appended: tail.offset > 0, repairedBytes: tail.cutBytes }
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
const openStream = async (path: string): Promise<Opened> => {
  const handle = await open(path, constants.O_WRONLY | constants.O_NONBLOCK)
  return { handle, lock: null, end: null, appended: false, created: false, repairedBytes: 0 }
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
