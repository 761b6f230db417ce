/**
 * The end of a pcapng file: whether a recording can be continued after it. A process that was killed, or a full disk,
 * leaves a file that stops inside a block; what is before that block is whole.
 */

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { BLOCK_TYPE } from '../../core/codec/pcapng/blocks.js'
import { createPcapngReader } from '../../core/codec/pcapng/reader.js'
import { TidegateError } from '../../errors.js'
import { unwritable } from './failure.js'

export type Tail =
  | { readonly kind: 'empty' }
  | { readonly kind: 'whole' }
  /** It ends inside the block that starts at `offset`; `cutBytes` are left of it. */
  | { readonly kind: 'torn'; readonly offset: number; readonly cutBytes: number }
  /** Nothing from `offset` on can be understood, although the file goes on. */
  | { readonly kind: 'damaged'; readonly offset: number; readonly message: string }
  /** Not a pcapng file at all. */
  | { readonly kind: 'foreign' }

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

export interface Repair {
  /** 0 when the file was whole. */
  readonly cutBytes: number
}

/**
 * Cuts what is left of a block that the file ends in, so that it is whole again.
 * @throws TidegateError (rejects) `file_unwritable`; `format_unknown` when it is not pcapng; `file_damaged` when the
 * damage is not at its end, so that cutting would lose what may be good. The file is not touched then.
 */
export const repairTail = async (path: string): Promise<Repair> => {
  const handle = await open(path, constants.O_RDWR).catch((error: unknown) => {
    throw unwritable(path, error)
  })
  try {
    const tail = await inspectTail(handle)
    if (tail.kind === 'foreign')
      throw new TidegateError('format_unknown', `'${path}' is not a pcapng file`, {
        fault: 'usage',
        where: path,
      })
    if (tail.kind === 'damaged') throw damaged(path, tail.offset, tail.message)
    if (tail.kind !== 'torn') return { cutBytes: 0 }
    await handle.truncate(tail.offset)
    return { cutBytes: tail.cutBytes }
  } catch (error) {
    throw error instanceof TidegateError ? error : unwritable(path, error)
  } finally {
    await handle.close()
  }
}

export const damaged = (path: string, offset: number, message: string): TidegateError =>
  new TidegateError(
    'file_damaged',
    `'${path}' is damaged at byte ${offset}, not only cut short: ${message}`,
    {
      fault: 'usage',
      where: `${path}:${offset}`,
    },
  )
