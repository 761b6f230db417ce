/** Ends as addresses, whatever they are called. */

import { type Address, parseAddress } from '../address.js'

const UNIX = 'unix:'

/** An end that is no address (frames may call it anything) is kept as the name of a unix socket. */
export const endAddress = (text: string): Address => {
  if (text.startsWith(UNIX)) return { kind: 'unix', path: text.slice(UNIX.length) }
  try {
    return parseAddress(text)
  } catch {
    return { kind: 'unix', path: text }
  }
}
