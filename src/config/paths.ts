/**
 * Where the paths in a config start. In a config file a relative path (`record.file`, a `unix:` address) starts at the
 * file's own folder, so that the config means the same wherever the gateway is started from; without a file, at the working
 * directory.
 */

import { resolve } from 'node:path'
import { type Address, parseAddress } from '../core/address.js'
import { TidegateError } from '../errors.js'

/** Readers of the texts that may hold a path. Each throws a TidegateError whose message ends in `; expected …`. */
export interface PlacedReaders {
  readonly path: (text: string) => string
  /** Somewhere to listen. */
  readonly address: (text: string) => Address
  /** Somewhere to connect to: not port 0. */
  readonly endpoint: (text: string) => Address
}

export const readersFrom = (folder: string | undefined): PlacedReaders => {
  const place = (path: string): string => {
    if (folder === undefined) return path
    const placed = resolve(folder, path)
    // That it is a folder is said by nothing else.
    return path.endsWith('/') && !placed.endsWith('/') ? `${placed}/` : placed
  }

  const path = (text: string): string => {
    if (text.includes('\0'))
      throw new TidegateError('value_invalid', `'${text}' has a NUL in it; expected a path`, {
        fault: 'usage',
      })
    return place(text)
  }

  const address = (text: string): Address => {
    const read = parseAddress(text)
    // Parsed again because a path that was short enough may not be with its folder.
    return read.kind === 'unix' ? parseAddress(`unix:${place(read.path)}`) : read
  }

  const endpoint = (text: string): Address => {
    const read = address(text)
    if (read.kind === 'tcp' && read.port === 0)
      throw new TidegateError(
        'address_invalid',
        `'${text}' is nowhere to connect to: port 0; expected a port from 1 to 65535`,
        {
          fault: 'usage',
          where: text,
        },
      )
    return read
  }

  return { path, address, endpoint }
}
