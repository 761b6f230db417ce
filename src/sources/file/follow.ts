/**
 * Recordings that are being written, followed: the files of some paths, and those that come to them later.
 *
 * Everything is found out by looking, as not every file system tells of changes: at each look all directories that changed are
 * listed, and of the files known a bounded number is looked at, those that grew lately and, in turn, some of the others. So a
 * look costs about the same however many files there are.
 */

import { stat } from 'node:fs/promises'
import type { CaptureRecord } from '../../core/codec/capture.js'
import { DETECT_BYTES, detectFormat } from '../../core/codec/detect.js'
import { looksLikeUrl, safeUrl } from '../../core/safe-url.js'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'
import { openCapture } from './capture.js'
import { openFileChunks, unreadable } from './chunks.js'
import { type Folder, isCompressed, listFolder, presentPath } from './directory.js'
import { GrowingFile, identityOf } from './growing.js'
import { inputOf } from './inputs.js'
import { PeekedChunks } from './peek.js'
import { recordedOrder } from './plan.js'

/** Files that are kept open and looked at each time: those that grew last. */
const MAX_HOT = 64
/** Of the others, so many are looked at each time. */
const COLD_LOOKS = 64
/** Coarse clocks give two changes the same time; a directory that changed so lately is listed again. */
const RECENT_MS = 2000

/** Records of one file, in order. Bytes in them are valid only until the next one is asked for. */
export interface FollowedBatch {
  readonly file: FollowedFile
  readonly records: Iterable<CaptureRecord>
  /** To be added to a record's offset, to have where it is in the file now. */
  readonly shift: number
}

export interface FollowedFile {
  readonly path: string
  /** The same however often it is renamed. */
  readonly identity: string
  /** It was there, this long, when following began. 0 for one that came later. */
  readonly knownBytes: number
}

/** What a follower has to say besides. */
export interface FollowerHooks {
  /** Why a file of a directory is not read: said once, as it is not looked at again. */
  readonly onPassedOver: (why: string) => void
  /** There will be nothing more of it. */
  readonly onGone: (file: FollowedFile) => void
}

interface Known extends FollowedFile {
  /** Its latest. */
  path: string
  readonly growing: GrowingFile
  readonly knownBytes: number
  /** It was not there at the last look: it has gone, or another name that is not known yet. */
  isMissed: boolean
}

/** A file, as it was just now. */
interface Present {
  readonly path: string
  readonly identity: string
  readonly bytes: number
  /** It was not there yet when this look began, as far as that shows. */
  readonly isLater: boolean
}

/** Null for what is gone, and for what is no file. */
const presentAt = async (path: string): Promise<Present | null> => {
  const found = await stat(path).catch(() => null)
  if (found === null || !found.isFile()) return null
  return { path, identity: identityOf(found), bytes: found.size, isLater: false }
}

const inRecordedOrder = async (files: readonly Present[]): Promise<readonly Present[]> => {
  if (files.length < 2) return files
  const byPath = new Map(files.map((one) => [one.path, one]))
  return (await recordedOrder([...byPath.keys()])).flatMap((path) => byPath.get(path) ?? [])
}

const NO_FOLDER: Folder = { files: [], folders: [] }

export class Follower {
  readonly #paths: readonly string[]
  readonly #fromStart: boolean
  readonly #hooks: FollowerHooks
  /** In order of appearance, by identity. */
  readonly #files = new Map<string, Known>()
  /** When each directory changed last. */
  readonly #folders = new Map<string, number>()
  /** The one that grew last is last. */
  readonly #hot = new Set<Known>()
  #nextCold = 0
  #begun = false

  /** @param fromStart gives out what is there already as if it came now, and compressed files too. */
  constructor(paths: readonly string[], fromStart: boolean, hooks: FollowerHooks) {
    this.#paths = paths
    this.#fromStart = fromStart
    this.#hooks = hooks
  }

  /**
   * What is new since the last look.
   * @throws TidegateError (rejects) `file_unreadable`, at the first look also for a path that is not there.
   */
  async *look(): AsyncGenerator<FollowedBatch> {
    const fresh = await this.#discover()
    this.#begun = true
    const isFresh = new Set(fresh)
    const known = this.#lookedAt().filter((one) => !isFresh.has(one))
    for (const one of [...known, ...fresh]) {
      if (typeof one === 'string') yield* this.#whole(one)
      else yield* this.#news(one)
      // At once, as all files may be new: they are in the list already.
      while (this.#hot.size > MAX_HOT) await this.#cool()
    }
  }

  /** No file has been found so far. */
  get isEmpty(): boolean {
    return this.#files.size === 0
  }

  async close(): Promise<void> {
    for (const { growing } of this.#hot) await growing.close()
    this.#hot.clear()
  }

  /** Takes up files that have come; returns what of them is to be read, in that order: of those compressed already the paths. */
  async #discover(): Promise<readonly (Known | string)[]> {
    const present = await this.#present(await this.#listed())
    const fresh: (Known | string)[] = []
    for (const one of await this.#inOrder(present)) this.#take(one, fresh)
    return fresh
  }

  async #listed(): Promise<readonly string[]> {
    const found: string[] = []
    for (const path of this.#paths) {
      const seen = await stat(path).catch((error: unknown) => {
        if (this.#begun && errnoOf(error) === 'ENOENT') return null
        throw unreadable(path, error)
      })
      if (seen?.isDirectory()) await this.#list(path, found)
      else if (seen !== null) found.push(path)
    }
    return found
  }

  async #present(paths: readonly string[]): Promise<readonly Present[]> {
    const present: Present[] = []
    for (const listed of paths) {
      const one = await presentAt(listed)
      // It may have been compressed since it was listed.
      const path = one === null ? await presentPath(listed).catch(() => null) : null
      const found = path === null ? one : await presentAt(path)
      if (found !== null) present.push(found)
    }
    return present
  }

  /**
   * Those that are not known come after the others, in the order they were recorded: several may have come since the last look, some
   * of them compressed already, and connections go on from one to the next. What is there when following begins is not read yet.
   */
  async #inOrder(present: readonly Present[]): Promise<readonly Present[]> {
    if (!this.#begun && !this.#fromStart) return present
    const unknown = this.#unknownOf(present)
    const known = present.filter(({ path }) => !unknown.has(path))
    if (unknown.size === 0) return known
    // While a directory is read, it may show a file and not the one that came before it. So again: what is later still can wait.
    const again = this.#unknownOf(await this.#present(await this.#listed()))
    for (const [path, one] of again) if (!unknown.has(path)) unknown.set(path, { ...one, isLater: true })
    const ordered = await inRecordedOrder([...unknown.values()])
    return [...known, ...ordered.slice(0, ordered.findLastIndex(({ isLater }) => !isLater) + 1)]
  }

  #unknownOf(present: readonly Present[]): Map<string, Present> {
    return new Map(
      present.filter(({ identity }) => !this.#files.has(identity)).map((one) => [one.path, one] as const),
    )
  }

  async #list(folder: string, found: string[]): Promise<void> {
    const now = await stat(folder).catch(() => null)
    if (now === null) {
      this.#folders.delete(folder)
      return
    }
    const before = this.#folders.get(folder)
    if (before === now.mtimeMs && Date.now() - now.mtimeMs > RECENT_MS) {
      for (const inner of this.#folders.keys())
        if (
          inner !== folder &&
          inner.startsWith(`${folder}/`) &&
          !inner.slice(folder.length + 1).includes('/')
        )
          await this.#list(inner, found)
      return
    }
    this.#folders.set(folder, now.mtimeMs)
    const { files, folders } = await listFolder(folder).catch((error: unknown) => {
      // Removed since it was looked at, as one is whose last recording was.
      if (!(error instanceof TidegateError) || error.errno !== 'ENOENT') throw error
      this.#folders.delete(folder)
      return NO_FOLDER
    })
    found.push(...files)
    for (const inner of folders) await this.#list(inner, found)
  }

  #take({ path, identity, bytes }: Present, fresh: (Known | string)[]): void {
    const before = this.#files.get(identity)
    if (before !== undefined) {
      before.path = path
      before.growing.path = path
      return
    }
    const isRead = this.#begun || this.#fromStart
    const known: Known = {
      path,
      identity,
      knownBytes: isRead ? 0 : bytes,
      growing: new GrowingFile(path, identity),
      isMissed: false,
    }
    if (isCompressed(path)) {
      known.growing.isOver = true
      if (isRead && !this.#wasFollowed(path)) fresh.push(path)
    } else if (known.knownBytes === 0) {
      this.#hot.add(known)
      fresh.push(known)
    }
    this.#files.set(identity, known)
  }

  /** What a compressed file has was shown while it was not; not so where it was compressed before anybody came to read it. */
  #wasFollowed(path: string): boolean {
    for (const one of this.#files.values())
      if (isCompressed(path, one.path) && !(one.growing.isUnread && one.knownBytes === 0)) return true
    return false
  }

  /** In order of appearance: what the file before has comes before what the next one has. */
  #lookedAt(): readonly Known[] {
    const all = [...this.#files.values()]
    const cold = new Set<Known>()
    for (let turn = 0; turn < Math.min(COLD_LOOKS, all.length); turn++) {
      const one = all[this.#nextCold++ % all.length]
      if (one !== undefined) cold.add(one)
    }
    return all.filter((one) => this.#hot.has(one) || cold.has(one))
  }

  async *#news(known: Known): AsyncGenerator<FollowedBatch> {
    const { growing } = known
    const size = await this.#sizeOf(known)
    if (size === null) {
      const compressed = await this.#compressed(known)
      return compressed === null ? this.#missed(known) : yield* this.#whole(compressed)
    }
    known.isMissed = false
    if (growing.isOver) return
    const isNew = known.knownBytes > 0 && !this.#hot.has(known) && size === known.knownBytes
    if (isNew || !growing.hasNews(size)) return
    this.#hot.delete(known)
    this.#hot.add(known)
    for await (const batch of growing.read()) yield { file: known, ...batch }
  }

  /** Where what a file had is now that went before anybody had come to read it, unless that has been found by itself. */
  async #compressed({ path, growing, knownBytes }: Known): Promise<string | null> {
    if (!growing.isUnread || knownBytes > 0) return null
    const [now] = await this.#present([path])
    if (now === undefined || !isCompressed(now.path) || this.#files.has(now.identity)) return null
    this.#take(now, [])
    return now.path
  }

  /** Twice: in between its directory was listed, so that it has not just got another name. */
  async #missed(known: Known): Promise<void> {
    if (!known.isMissed) {
      known.isMissed = true
      return
    }
    this.#files.delete(known.identity)
    this.#hot.delete(known)
    await known.growing.close()
    this.#hooks.onGone(known)
  }

  /** Null once it is gone. One that is open may have lost its name, and is read to its end before it is let go. */
  async #sizeOf({ growing, path }: Known): Promise<number | null> {
    const named = await stat(path).catch(() => null)
    if (named !== null && identityOf(named) === growing.identity) return named.size
    const size = await growing.look()
    return size !== null && growing.hasNews(size) ? size : null
  }

  async *#whole(path: string): AsyncGenerator<FollowedBatch> {
    const file: FollowedFile = { path, identity: path, knownBytes: 0 }
    try {
      const capture = await openCapture(await openFileChunks(path))
      if (capture.format !== 'pcapng') return await capture.close()
      for await (const records of capture.batches()) yield { file, records, shift: 0 }
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error
      if (error.errno !== 'ENOENT') this.#hooks.onPassedOver(messageOf(error))
    } finally {
      this.#hooks.onGone(file)
    }
  }

  async #cool(): Promise<void> {
    const [oldest] = this.#hot
    if (oldest === undefined) return
    this.#hot.delete(oldest)
    await oldest.growing.close()
  }
}

/**
 * Something that can be followed: a directory, or a file that is pcapng, or nothing yet.
 * @throws TidegateError (rejects) `usage` for anything else, `file_unreadable`.
 */
export const checkFollowable = async (path: string): Promise<void> => {
  if (looksLikeUrl(path)) throw unfollowable(safeUrl(path), 'is a URL, and only files can be followed')
  const input = await inputOf(path)
  if (input.kind === 'directory') return
  if (input.kind === 'stream') throw unfollowable(path, 'is no file')
  const source = await openFileChunks(path, DETECT_BYTES)
  const peeked = new PeekedChunks(source.chunks())
  const head = await peeked.head(DETECT_BYTES).finally(async () => {
    await peeked.close()
    await source.close()
  })
  const format = head.length === 0 ? 'more' : detectFormat(head)
  if (format !== 'pcapng' && format !== 'more') throw unfollowable(path, `is ${format ?? 'no recording'}`)
}

const unfollowable = (path: string, what: string): TidegateError =>
  new TidegateError('usage', `'${path}' ${what}: expected a pcapng recording or a directory of them`, {
    fault: 'usage',
    where: path,
  })
