/** Base64 (RFC 4648, section 4) by Node, without copying the bytes first. */
export const base64 = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')
