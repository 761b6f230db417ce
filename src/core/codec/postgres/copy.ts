/**
 * Writes what PostgreSQL's `COPY … FROM STDIN (FORMAT binary)` reads. Everything is big-endian:
 *
 *     copy    = "PGCOPY\n" %xFF "\r\n" %x00  flags  extension  *row  trailer     ; flags and extension: 32 bits, 0
 *     row     = count *field                                                    ; count: 16 bits
 *     field   = length value / %xFFFFFFFF                                       ; length: 32 bits; -1: NULL
 *     trailer = %xFFFF                                                          ; a count of -1
 *
 * The values are those of the types' own binary forms; each method says which columns it is for. (PostgreSQL
 * manual, COPY, "Binary Format".)
 */

const SIGNATURE = Uint8Array.of(0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00)
const HEADER_BYTES = SIGNATURE.length + 8

/** A block is handed over when the next field does not fit: some calls per megabyte, and little to keep. */
const BLOCK_BYTES = 128 * 1024
/** Room for any field but text and bytes: its length and at most 20 bytes. */
const SMALL_FIELD_BYTES = 24

const NULL_LENGTH = -1
const TWO_32 = 0x1_0000_0000
const UTF8 = new TextEncoder()

/** 2000-01-01, where PostgreSQL counts from, in microseconds since 1970. */
const EPOCH_US = 946_684_800_000_000n
/** What `timestamptz` can hold, in microseconds since 2000: later than 4713 BC, earlier than 294277 AD. */
const MAX_US = 9_223_371_331_200_000_000n - 1n
const MIN_US = -211_813_488_000_000_000n

/** `PGSQL_AF_INET` and `PGSQL_AF_INET6`. */
const INET_FAMILY = { 4: 2, 16: 3 } as const
const JSONB_VERSION = 1

/** Whole microseconds since 1970 and the nanoseconds beyond them, 0 to 999. */
export const splitNanoseconds = (timeNs: bigint): { readonly us: bigint; readonly ns: number } => {
  const ns = ((timeNs % 1000n) + 1000n) % 1000n
  return { us: (timeNs - ns) / 1000n, ns: Number(ns) }
}

const within = (us: bigint): bigint => (us > MAX_US ? MAX_US : us < MIN_US ? MIN_US : us)

/** PostgreSQL has no NUL in text: each becomes U+2400, the symbol for it. Halves of surrogate pairs become U+FFFD. */
export const storableText = (text: string): string =>
  text.replaceAll('\0', '\u2400').replace(/\p{Surrogate}/gu, '\ufffd')

/** `01234567-89ab-cdef-0123-456789abcdef` as its 16 bytes; null for anything else. */
export const uuidBytes = (text: string): Uint8Array | null => {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)) return null
  const digits = text.replaceAll('-', '')
  return Uint8Array.from({ length: 16 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  )
}

/**
 * One COPY. {@link blocks} gives out what is complete and should be asked now and then, {@link end} what is left. What was given out is
 * the caller's. A value that its column cannot hold is the caller's mistake, and the server's to refuse.
 */
export class CopyWriter {
  #block = new Uint8Array(BLOCK_BYTES)
  #view = new DataView(this.#block.buffer)
  #used = HEADER_BYTES
  #full: Uint8Array[] = []

  constructor() {
    this.#block.set(SIGNATURE)
  }

  /** Begins a row of so many fields, which have to follow. */
  row(fields: number): void {
    this.#make(2)
    this.#view.setInt16(this.#used, fields)
    this.#used += 2
  }

  null(): void {
    this.#length(NULL_LENGTH)
  }

  /** `smallint` */
  int2(value: number): void {
    this.#length(2)
    this.#view.setInt16(this.#used, value)
    this.#used += 2
  }

  /** `bigint`: a safe integer. */
  int8(value: number): void {
    this.#length(8)
    this.#view.setInt32(this.#used, Math.floor(value / TWO_32))
    this.#view.setUint32(this.#used + 4, value >>> 0)
    this.#used += 8
  }

  bool(value: boolean): void {
    this.#length(1)
    this.#view.setUint8(this.#used++, value ? 1 : 0)
  }

  /** `timestamptz`: whole microseconds since 1970; what is out of its range becomes its first or last moment. */
  timestamp(us: bigint): void {
    this.#length(8)
    this.#view.setBigInt64(this.#used, within(us - EPOCH_US))
    this.#used += 8
  }

  /** `uuid`: its 16 bytes. */
  uuid(value: Uint8Array): void {
    this.bytes(value)
  }

  /** `inet`, one address: 4 or 16 bytes. */
  inet(address: Uint8Array): void {
    const isIpv4 = address.length === 4
    this.#length(4 + address.length)
    this.#view.setUint8(this.#used, INET_FAMILY[isIpv4 ? 4 : 16])
    this.#view.setUint8(this.#used + 1, address.length * 8)
    this.#view.setUint8(this.#used + 2, 0)
    this.#view.setUint8(this.#used + 3, address.length)
    this.#block.set(address, this.#used + 4)
    this.#used += 4 + address.length
  }

  /** `text` and enums; see {@link storableText}. */
  text(value: string): void {
    this.bytes(UTF8.encode(storableText(value)))
  }

  /** `jsonb`. Strings in it must be {@link storableText}. */
  jsonb(value: unknown): void {
    const json = UTF8.encode(JSON.stringify(value))
    this.#length(1 + json.length)
    this.#view.setUint8(this.#used++, JSONB_VERSION)
    this.#put(json)
  }

  /** `bytea`, of any length. */
  bytes(value: Uint8Array): void {
    this.#length(value.length)
    this.#put(value)
  }

  /** What is complete by now. */
  blocks(): readonly Uint8Array[] {
    const full = this.#full
    if (full.length > 0) this.#full = []
    return full
  }

  /** The rest, with the trailer. Nothing may follow. */
  end(): readonly Uint8Array[] {
    this.row(-1)
    this.#next()
    return this.blocks()
  }

  #length(length: number): void {
    this.#make(SMALL_FIELD_BYTES)
    this.#view.setInt32(this.#used, length)
    this.#used += 4
  }

  #put(value: Uint8Array): void {
    let from = 0
    while (from < value.length) {
      if (this.#used === BLOCK_BYTES) this.#next()
      const to = Math.min(value.length, from + BLOCK_BYTES - this.#used)
      this.#block.set(from === 0 && to === value.length ? value : value.subarray(from, to), this.#used)
      this.#used += to - from
      from = to
    }
  }

  #make(room: number): void {
    if (this.#used + room > BLOCK_BYTES) this.#next()
  }

  #next(): void {
    this.#full.push(this.#block.subarray(0, this.#used))
    this.#block = new Uint8Array(BLOCK_BYTES)
    this.#view = new DataView(this.#block.buffer)
    this.#used = 0
  }
}
