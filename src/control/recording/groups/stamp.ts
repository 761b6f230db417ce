/**
 * What a plane says of a connection to whoever finds its resource: which group it is to have, and the how-many-eth it is of its seat. It
 * travels in the place of the listener's name, in the `open` annotation.
 *
 *     stamp = group "." owner "." serial "." listener
 */

export interface Stamp {
  /** Number of the group that its listener had when it opened. */
  readonly group: number
  /** Of the seat that recorded it. */
  readonly owner: number
  /** Counted from 1 in each seat, without gaps. */
  readonly serial: number
  readonly listener: string
}

export const encodeStamp = ({ group, owner, serial, listener }: Stamp): string =>
  `${group}.${owner}.${serial}.${listener}`

/** Null for text that is none. */
export const decodeStamp = (text: string): Stamp | null => {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(.*)$/s.exec(text)
  if (match === null) return null
  const [, group, owner, serial, listener = ''] = match
  return { group: Number(group), owner: Number(owner), serial: Number(serial), listener }
}
