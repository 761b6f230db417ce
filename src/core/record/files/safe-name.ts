/**
 * Values as they may stand in a file's name: what clients and configs say must not choose another folder, hide a file, or be longer
 * than a name may be. Letters, digits, `.`, `_` and `-` stay, all else becomes `_`, and so does a leading dot.
 */

/** Longer than any IP address with a zone; a template has several. */
export const MAX_SAFE_NAME = 64

/** FNV-1a, as eight hex digits: tells apart what was cut. */
const hash = (text: string): string => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0
  return value.toString(16).padStart(8, '0')
}

/** Two values may become the same name, if they are told apart only by what becomes `_`. */
export const safeName = (value: string): string => {
  const safe = value.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.|^$/, '_')
  return safe.length <= MAX_SAFE_NAME ? safe : `${safe.slice(0, MAX_SAFE_NAME - 9)}-${hash(value)}`
}

/** The client of an `open` annotation (address notation) without its port. */
export const clientName = (address: string): string => {
  if (address.startsWith('unix:')) return 'unix'
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return safeName(host.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, ''))
}
