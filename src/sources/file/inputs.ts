/**
 * What an input's text means: `-` is stdin, `postgres://…` a database, a directory its recordings, anything else a file.
 *
 * Streams (stdin, and whatever {@link STREAMS} names) can be read only once and say nothing about themselves before, so
 * each is read by itself. Files are looked at first, so that several of them are read in the order they were recorded.
 */

import { fstatSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { safeUrl } from '../../core/safe-url.js'
import { TidegateError } from '../../errors.js'
import { isPostgresUrl } from '../../postgres/url.js'
import { openPostgresChunks } from '../postgres/postgres-chunks.js'
import { type ChunkSource, openFileChunks, streamChunks, unreadable } from './chunks.js'

const STDIN = 0

export interface InputOptions {
  /** What `-` reads. Default: the process's stdin. */
  readonly stdin?: AsyncIterable<Uint8Array>
}

interface Stream {
  is(text: string): boolean
  open(text: string, options: InputOptions): ChunkSource | Promise<ChunkSource>
}

const isDirectory = (descriptor: number): boolean => {
  try {
    return fstatSync(descriptor).isDirectory()
  } catch {
    // Closed by whoever started us; the stream has its own way to tell.
    return false
  }
}

/** Node gives a stream without bytes for a directory. */
const openStdin = (stdin: AsyncIterable<Uint8Array>): ChunkSource => {
  if (stdin === process.stdin && isDirectory(STDIN))
    throw new TidegateError(
      'usage',
      "'-': stdin is a directory; expected a recording, or the directory's path in place of '-'",
      { fault: 'usage', where: '-' },
    )
  return streamChunks(stdin, 'stdin')
}

/** Every kind of input that is no path. */
const STREAMS: readonly Stream[] = [
  { is: (text) => text === '-', open: (_, { stdin = process.stdin }) => openStdin(stdin) },
  { is: isPostgresUrl, open: (url) => openPostgresChunks(url) },
]

export type Input =
  | { readonly kind: 'stream'; open(): Promise<ChunkSource> }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string }

/** @throws TidegateError (rejects) `file_unreadable`. */
export const inputOf = async (text: string, options: InputOptions = {}): Promise<Input> => {
  const stream = STREAMS.find(({ is }) => is(text))
  if (stream !== undefined) return { kind: 'stream', open: async () => stream.open(text, options) }
  const found = await stat(text).catch((error: unknown) => {
    throw unreadable(text, error)
  })
  if (found.isDirectory()) return { kind: 'directory', path: text }
  // A pipe or a device; a directory in between may forbid to look at it twice.
  if (!found.isFile()) return { kind: 'stream', open: () => openFileChunks(text) }
  return { kind: 'file', path: text }
}

/** @throws TidegateError `usage` where one of several inputs can be read only by itself. */
export const notAlone = (text: string): TidegateError => {
  const where = isPostgresUrl(text) ? safeUrl(text) : text
  return new TidegateError(
    'usage',
    `'${where}' cannot be read together with others: only files and directories can`,
    {
      fault: 'usage',
      where,
    },
  )
}
