/**
 * The file an export writes. It bears a name of its own, `FILE.partial`, until it is whole, so that nobody ever takes a half
 * for the whole: not after a full disk, and not after Ctrl-C or a power failure.
 */

import { rmSync } from 'node:fs'
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { errnoOf, TidegateError } from '../../errors.js'
import { unwritable, writeFailed } from '../../sinks/file/failure.js'
import { type CommandIo, createOutput, type Output, tell } from '../output.js'

/** Recordings hold what was said, so only their owner may read them. */
const PRIVATE = 0o600

export interface TargetOptions {
  /** Replace a file that exists. */
  readonly force: boolean
  /** The files that are being read, which are never written to. */
  readonly inputs: readonly FileIdentity[]
}

export interface FileIdentity {
  readonly dev: number
  readonly ino: number
}

const refused = (path: string, why: string): TidegateError =>
  new TidegateError('file_unwritable', `'${path}' ${why}`, { fault: 'usage', where: path })

/** Where the bytes go, and what name they get in the end. */
type Place =
  | { readonly kind: 'file'; readonly path: string; readonly partial: string }
  /** A device or a pipe: written as it is. */
  | { readonly kind: 'device'; readonly path: string }

const isOneOf = (one: FileIdentity, others: readonly FileIdentity[]): boolean =>
  others.some(({ dev, ino }) => one.dev === dev && one.ino === ino)

const statOrNull = (path: string) =>
  stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  })

const choosePlace = async (path: string, { force, inputs }: TargetOptions): Promise<Place> => {
  const existing = await statOrNull(path)
  if (existing === null) return { kind: 'file', path, partial: `${path}.partial` }
  if (isOneOf(existing, inputs))
    throw refused(path, 'is a recording that is being read: export to another file')
  if (existing.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
  if (!existing.isFile()) return { kind: 'device', path }
  if (!force) throw refused(path, 'exists already: --force replaces it')
  const real = await realpath(path)
  return { kind: 'file', path: real, partial: `${real}.partial` }
}

/** Opens the partial file; one that an earlier export left behind is removed only with --force. */
const openPartial = async (partial: string, { force, inputs }: TargetOptions): Promise<FileHandle> => {
  const left = await statOrNull(partial)
  if (left !== null && (!force || !left.isFile() || isOneOf(left, inputs)))
    throw refused(partial, 'is in the way: an export that runs or was cut short left it; --force replaces it')
  if (left !== null) await rm(partial)
  return open(partial, 'wx', PRIVATE)
}

const openPlace = (place: Place, options: TargetOptions): Promise<FileHandle> =>
  place.kind === 'device' ? open(place.path, 'w') : openPartial(place.partial, options)

const writeAll = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at)
    at += bytesWritten
  }
}

/**
 * Removes the partial file when the process is ended by hand, and lets the signal have its way. A signal may come while
 * the file is being opened: it is there already, and ours only if that succeeds.
 */
const removeOnSignal = (partial: string, opening: Promise<FileHandle>): (() => void) => {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = (signal: NodeJS.Signals): void => {
    forget()
    opening
      .then(() => rmSync(partial, { force: true }))
      .catch(() => {})
      .finally(() => process.kill(process.pid, signal))
  }
  const forget = (): void => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return forget
}

const finish = async (handle: FileHandle, place: Place): Promise<void> => {
  if (place.kind === 'device') return handle.close()
  await handle.datasync()
  await handle.close()
  await rename(place.partial, place.path)
}

const asUnwritable = (path: string) => (thrown: unknown) => {
  throw thrown instanceof TidegateError ? thrown : unwritable(path, thrown)
}

/**
 * Runs `work` with the file's output, and gives the file its name when it is whole; removes it, and says so, when
 * `work` fails.
 * @throws TidegateError (rejects) `file_unwritable`, `write_failed`, or what `work` throws.
 */
export const writeTarget = async (
  io: CommandIo,
  path: string,
  options: TargetOptions,
  work: (output: Output) => Promise<void>,
): Promise<void> => {
  const place = await choosePlace(path, options).catch(asUnwritable(path))
  const opening = openPlace(place, options)
  const forget = place.kind === 'file' ? removeOnSignal(place.partial, opening) : () => {}
  const handle = await opening.catch((thrown: unknown) => {
    forget()
    return asUnwritable(path)(thrown)
  })
  const failWrite = (thrown: unknown): never => {
    throw writeFailed(path, thrown)
  }
  try {
    const output = createOutput((bytes) => writeAll(handle, bytes).catch(failWrite))
    await work(output)
    await output.flush()
    await finish(handle, place).catch(failWrite)
  } catch (error) {
    await handle.close()
    if (place.kind === 'file') {
      await rm(place.partial, { force: true })
      tell(io, `what was written of '${path}' was removed`)
    }
    throw error
  } finally {
    forget()
  }
}
