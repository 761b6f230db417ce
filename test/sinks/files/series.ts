/** A files store in a folder of its own, fed by a recorder; and what is on disk then. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { SlabAnswer } from '../../../src/control/recording/seat.js'
import { encodeSectionStart } from '../../../src/core/codec/pcapng/writer.js'
import { encodeRecordingComment } from '../../../src/core/record/annotation.js'
import { parseTemplate } from '../../../src/core/record/files/template.js'
import { messageOf, TidegateError } from '../../../src/errors.js'
import { STORE_FIGURE, STORE_FIGURES, type Store } from '../../../src/ports/store.js'
import { NO_FLOOR } from '../../../src/sinks/file/free-space.js'
import { openSeriesPlace } from '../../../src/sinks/files/base-folder.js'
import { type FilesSpec, openFilesStore } from '../../../src/sinks/files/open-files.js'
import { Harness } from '../../core/record/harness.js'
import { type ParsedPacket, parseFile } from '../../core/record/parse.js'
import type { Scope } from '../../support/scope.js'
import { zstd } from '../../support/zstd.js'

const sectionStart = (recording: string): Uint8Array =>
  encodeSectionStart(
    'tidegate test',
    [
      { linkType: 101, name: 'one', description: '' },
      { linkType: 101, name: 'two', description: '' },
    ],
    encodeRecordingComment(recording),
  )

const failureOf = (error: unknown): string =>
  error instanceof TidegateError ? (error.errno ?? error.message) : messageOf(error)

export interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export class DiskSeries extends Harness {
  readonly store: Store
  readonly base: string
  readonly lines: Line[]
  readonly figures: Float64Array
  readonly #release: () => Promise<void>

  private constructor(
    store: Store,
    base: string,
    lines: Line[],
    figures: Float64Array,
    release: () => Promise<void>,
  ) {
    super()
    this.store = store
    this.base = base
    this.lines = lines
    this.figures = figures
    this.#release = release
  }

  /** `name`: the template below the folder. `recording`: the run of a gateway that it is. It is closed when the test ends. */
  static async open(
    scope: Scope,
    name: string,
    options: Partial<FilesSpec> = {},
    folder: string = scope.tempDir(),
    recording = 'run',
  ): Promise<DiskSeries> {
    const where = join(folder, name)
    const template = parseTemplate(where)
    const place = await openSeriesPlace(template.base, name)
    const lines: Line[] = []
    const figures = new Float64Array(STORE_FIGURES)
    const spec = {
      where,
      base: place.base,
      template,
      rotateBytes: null,
      rotateMs: null,
      durability: { sync: 'never', intervalMs: 1000 },
      floor: NO_FLOOR,
      compress: 'none',
      limits: { keepBytes: null, keepMs: null, keepFiles: null },
      sectionStart: sectionStart(recording),
      sequenceSalt: 1,
      ...options,
    } as const
    const log = (level: string, fields: Line['fields'], message: string) =>
      lines.push({ level, message, fields })
    const store = await openFilesStore(spec, { log, figures })
    const series = new DiskSeries(store, folder, lines, figures, place.close)
    scope.defer(() => series.close())
    return series
  }

  async close(): Promise<void> {
    await this.store.close(60_000)
    await this.#release()
  }

  /** Stores all that is buffered; returns why it was refused, of the last write that was. */
  flush(): string | null {
    let why: string | null = null
    for (let slab = this.recorder.take(true); slab !== null; slab = this.recorder.take(true)) {
      const { failure, refused } = this.#store(slab.contents)
      if (failure !== null) why = failure
      this.recorder.settle(failure, this.nowMs, null, refused)
    }
    return why
  }

  figure(name: keyof typeof STORE_FIGURE): number {
    return this.figures[STORE_FIGURE[name]] ?? 0
  }

  names(): readonly string[] {
    return namesIn(this.base)
  }

  #store(bytes: Uint8Array): Pick<SlabAnswer, 'failure' | 'refused'> {
    try {
      const written = this.store.write(bytes)
      if (!written || written instanceof Promise) return { failure: null, refused: null }
      const refused = new Map([...written.connections].map(([id, error]) => [id, failureOf(error)]))
      const [failure = null] = refused.values()
      return { failure, refused }
    } catch (error) {
      return { failure: failureOf(error), refused: null }
    }
  }
}

/** Of files that differ only in their number, the one without is the first. */
const inOrder = (name: string): string =>
  name.replace(/(-\d+)?\.pcapng/, (_, number) => `${number ?? '-0'}.pcapng`)

/** Files below a folder, sorted. */
export const namesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => relative(folder, path))
    .sort((a, b) => inOrder(a).localeCompare(inOrder(b), 'en', { numeric: true }))

export const packetsIn = (path: string): readonly ParsedPacket[] => {
  const bytes = readFileSync(path)
  return parseFile(new Uint8Array(plain(path, bytes))).packets
}

const plain = (path: string, bytes: Buffer): Buffer => {
  if (path.endsWith('.gz')) return gunzipSync(bytes)
  return path.endsWith('.zst') && zstd !== null ? zstd.decompress(bytes) : bytes
}
