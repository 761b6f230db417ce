/** A secret to look for where it must not be, in whole and in part; and all ways for it to arrive in pieces. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** Stands nowhere by chance. */
export const SECRET = 'Qx7Zj9Wv'
export const REDACT = [{ pattern: 'Qx\\dZj\\dWv' }]
export const MASKED = '*'.repeat(SECRET.length)

/** So short a part of it that most ways of cutting leave one whole, and so long that it is nowhere by chance. */
const PART_BYTES = 5
const PARTS = Array.from({ length: SECRET.length - PART_BYTES + 1 }, (_, at) =>
  SECRET.slice(at, at + PART_BYTES),
)

/** Every way of cutting a text into pieces: a bit for each place where it may be cut. */
export const waysToCut = (text: string): readonly (readonly string[])[] =>
  Array.from({ length: 2 ** (text.length - 1) }, (_, cuts) =>
    [...text]
      .map((letter, at) => (at > 0 && (cuts & (1 << (at - 1))) !== 0 ? `|${letter}` : letter))
      .join('')
      .split('|'),
  )

/** The parts of the secret that are in there, as bytes or in hex as databases print them. */
export const partsIn = (bytes: Uint8Array | string): readonly string[] => {
  const found = Buffer.from(bytes)
  return PARTS.filter((part) => found.includes(part) || found.includes(Buffer.from(part).toString('hex')))
}

/** All files below, those that are compressed as they were before. */
export const filesBelow = (folder: string): readonly { readonly path: string; readonly bytes: Buffer }[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const bytes = readFileSync(path)
      return { path, bytes: path.endsWith('.gz') ? gunzipSync(bytes) : bytes }
    })

/** Which files have a part of it. */
export const filesWithParts = (folder: string): readonly string[] =>
  filesBelow(folder).flatMap(({ path, bytes }) => partsIn(bytes).map((part) => `${path}: ${part}`))
