/**
 * Reads what PostgreSQL's `COPY … TO STDOUT (FORMAT binary)` writes (grammar: copy.ts), as it comes: never more of it is kept than
 * one row.
 */

import { TidegateError } from '../../../errors.js'
import { ByteQueue, EMPTY_BYTES } from '../../bytes.js'

const SIGNATURE_BYTES = 11
/** After the signature: flags, and how long the extension is that follows. */
const HEADER_BYTES = SIGNATURE_BYTES + 8
const TRAILER = 0xffff
const NULL_LENGTH = 0xffffffff
const TWO_32 = 0x1_0000_0000
const TEXT = new TextDecoder()

const damaged = (why: string): TidegateError =>
  new TidegateError('file_damaged', `the server's answer cannot be read: ${why}`, { fault: 'peer' })

/** One row, valid until the next is asked for. Fields count from 0; their types are the query's to know. */
export class CopyRow {
  readonly #fields: (Uint8Array | null)[] = []

  /** The reader's. */
  set(field: number, value: Uint8Array | null): void {
    this.#fields[field] = value
  }

  isNull(field: number): boolean {
    return (this.#fields[field] ?? null) === null
  }

  /** `bytea`; nothing for NULL. */
  bytes(field: number): Uint8Array {
    return this.#fields[field] ?? EMPTY_BYTES
  }

  /** `text`, enums */
  text(field: number): string {
    return TEXT.decode(this.bytes(field))
  }

  /** `bigint` */
  int8(field: number): bigint {
    const value = this.bytes(field)
    if (value.length !== 8) throw damaged(`${value.length} bytes are no bigint`)
    return new DataView(value.buffer, value.byteOffset).getBigInt64(0)
  }

  /** `bigint` that is known to be a safe integer. */
  count(field: number): number {
    const value = this.bytes(field)
    if (value.length !== 8) throw damaged(`${value.length} bytes are no bigint`)
    const view = new DataView(value.buffer, value.byteOffset)
    return view.getInt32(0) * TWO_32 + view.getUint32(4)
  }
}

export class CopyReader {
  readonly #queue = new ByteQueue()
  readonly #row = new CopyRow()
  #state: 'header' | 'rows' | 'over' = 'header'

  /** @throws TidegateError `file_damaged`: there should have been more. */
  end(): void {
    if (this.#state !== 'over') throw damaged('it is cut short')
  }

  /** Each push must be iterated to its end before the next. @throws TidegateError `file_damaged`. */
  *push(chunk: Uint8Array): Generator<CopyRow> {
    this.#queue.feed(chunk)
    if (this.#state === 'header' && !this.#header()) return
    while (this.#state === 'rows') {
      const length = this.#next()
      if (length === 0) break
      yield this.#row
      this.#queue.consume(length)
    }
    this.#queue.settle()
  }

  #header(): boolean {
    const queue = this.#queue
    if (!queue.ensure(HEADER_BYTES)) return false
    const length = HEADER_BYTES + queue.u32(SIGNATURE_BYTES + 4, false)
    if (!queue.ensure(length)) return false
    queue.consume(length)
    this.#state = 'rows'
    return true
  }

  /** How long the next row is, now in #row; 0: it is not all here, or there is none. */
  #next(): number {
    const queue = this.#queue
    if (!queue.ensure(2)) return 0
    const fields = queue.u16(0, false)
    if (fields === TRAILER) {
      queue.consume(2)
      this.#state = 'over'
      return 0
    }
    let at = 2
    for (let field = 0; field < fields; field++) {
      if (!queue.ensure(at + 4)) return 0
      const length = queue.u32(at, false)
      at += 4 + (length === NULL_LENGTH ? 0 : length)
      if (!queue.ensure(at)) return 0
    }
    this.#locate(fields)
    return at
  }

  /** All of the row is here, in one piece: what is looked at stays where it is. */
  #locate(fields: number): void {
    let at = 2
    for (let field = 0; field < fields; field++) {
      const length = this.#queue.u32(at, false)
      at += 4
      this.#row.set(field, length === NULL_LENGTH ? null : this.#queue.bytes(at, length))
      if (length !== NULL_LENGTH) at += length
    }
  }
}
