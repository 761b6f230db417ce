/**
 * The end of a pcapng file: whether a recording can be continued after it. A process that was killed, or a full disk,
 * leaves a file that stops inside a block; what is before that block is whole.
 */

import type { FileHandle } from 'node:fs/promises'
import { BLOCK_TYPE } from '../../core/codec/pcapng/blocks.js'
import { createPcapngReader } from '../../core/codec/pcapng/reader.js'
import { TidegateError } from '../../errors.js'

export type Tail =
  | { readonly kind: 'empty' }
  | { readonly kind: 'whole' }
  /** It ends inside the block that starts at `offset`; `cutBytes` are left of it. */
  | { readonly kind: 'torn'; readonly offset: number; readonly cutBytes: number }
  /** Nothing from `offset` on can be understood, although the file goes on. */
  | { readonly kind: 'damaged'; readonly offset: number; readonly message: string }
  /** Not a pcapng file at all. */
  | { readonly kind: 'foreign' }

/**
 * A kill tears at most one write. A tail longer than this (Wireshark's largest block) is no torn write but a damaged length in
 * the middle of the file, and cutting there would throw good packets away.
 */
export const MAX_CUT_BYTES = 16 * 1024 * 1024

/** What is read at once: the file's size does not matter for the memory taken. */
const READ_BYTES = 256 * 1024

const MAGIC = new Uint8Array(4)
new DataView(MAGIC.buffer).setUint32(0, BLOCK_TYPE.sectionHeader)

/** Reads the whole file once, in constant memory: only so is it certain where the last block ends. */
export const inspectTail = async (handle: FileHandle): Promise<Tail> => {
  const reader = createPcapngReader()
  const buffer = new Uint8Array(READ_BYTES)
  let size = 0
  let damage: { readonly offset: number; readonly message: string; readonly torn: boolean } | null = null
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, size)
    if (bytesRead === 0) break
    const chunk = buffer.subarray(0, bytesRead)
    if (size === 0 && !startsLikePcapng(chunk)) return { kind: 'foreign' }
    size += bytesRead
    for (const record of reader.push(chunk)) if (record.kind === 'damage') damage = record
    if (damage !== null) break
  }
  if (size === 0) return { kind: 'empty' }
  if (damage === null) for (const record of reader.end()) if (record.kind === 'damage') damage = record
  if (damage === null) return { kind: 'whole' }
  const { offset, message, torn } = damage
  if (torn) return { kind: 'torn', offset, cutBytes: (await handle.stat()).size - offset }
  return offset === 0 ? { kind: 'foreign' } : { kind: 'damaged', offset, message }
}

const startsLikePcapng = (chunk: Uint8Array): boolean =>
  MAGIC.subarray(0, chunk.length).every((byte, index) => chunk[index] === byte)

export const damaged = (path: string, offset: number, message: string): TidegateError =>
  new TidegateError(
    'file_damaged',
    `'${path}' is damaged at byte ${offset}, not only cut short: ${message}`,
    {
      fault: 'usage',
      where: `${path}:${offset}`,
    },
  )
