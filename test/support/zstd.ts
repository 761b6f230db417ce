/** zstd, which Node has since 22.15: tests that need it are skipped on an older one, and it is said. */

import * as zlib from 'node:zlib'
import { it } from 'vitest'

interface Zstd {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer
  readonly zstdDecompressSync?: (bytes: Uint8Array) => Buffer
}

const { zstdCompressSync, zstdDecompressSync } = zlib as Zstd

/** Null where this Node has no zstd. */
export const zstd =
  zstdCompressSync === undefined || zstdDecompressSync === undefined
    ? null
    : { compress: zstdCompressSync, decompress: zstdDecompressSync }

/** `it` for a test that needs zstd, which is given to it. */
export const itWithZstd = (name: string, body: (codec: NonNullable<typeof zstd>) => Promise<void>): void => {
  if (zstd !== null) {
    it(name, () => body(zstd))
    return
  }
  const why = `Node ${process.versions.node} has no zstd, 22.15 has`
  process.stderr.write(`SKIPPED ${name}: ${why}\n`)
  it.skip(`${name} (skipped, ${why})`)
}
