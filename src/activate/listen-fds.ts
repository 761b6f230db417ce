/**
 * How a child is given sockets that listen, as systemd does it (sd_listen_fds(3)): they are its descriptors from 3 on;
 * `LISTEN_FDS` says how many, `LISTEN_PID` that they are meant for just this process, `LISTEN_FDNAMES` what they are called.
 */

import { formatAddress } from '../core/address.js'
import { TidegateError } from '../errors.js'
import type { Engine, LentListener, ListenSpec } from '../ports/engine.js'

/** A descriptor of this process that the child gets, and what it is called there. */
export interface PassedFd {
  readonly fd: number
  /** For LISTEN_FDNAMES: what is not allowed in one is replaced. */
  readonly name: string
}

/** What of a `spawn` makes the child an heir of sockets. */
export interface Passing {
  /** In place of the command's own: becomes it, under the same process id. */
  readonly argv: readonly [string, ...string[]]
  /** Beside the other variables. */
  readonly env: Readonly<Record<string, string>>
  /** What stands at 3, 4, … in `stdio`. */
  readonly stdio: readonly number[]
}

/** sd_listen_fds_with_names(3): ASCII without control characters and colons, at most 255 bytes. */
const MAX_NAME_LENGTH = 255

const nameOf = (name: string): string =>
  name.replace(/[^\x20-\x7e]|:/g, '_').slice(0, MAX_NAME_LENGTH) || 'unknown'

/** Only the child itself knows its process id before it runs. `exec` keeps it. */
const SCRIPT = 'export LISTEN_PID=$$; exec "$@"'

/** `argv`: the command, as it would be run without. */
export const passListeners = (
  argv: readonly [string, ...string[]],
  listeners: readonly PassedFd[],
): Passing => ({
  argv: ['/bin/sh', '-c', SCRIPT, 'sh', ...argv],
  env: {
    LISTEN_FDS: String(listeners.length),
    LISTEN_FDNAMES: listeners.map(({ name }) => nameOf(name)).join(':'),
  },
  stdio: listeners.map(({ fd }) => fd),
})

/** @throws TidegateError (rejects) as `Engine.listen`; `engine_unavailable`: the engine cannot lend a socket. */
export const lendListener = async (engine: Engine, spec: ListenSpec): Promise<LentListener> => {
  if (engine.lend !== undefined) return engine.lend(spec)
  throw new TidegateError(
    'engine_unavailable',
    `cannot hand ${formatAddress(spec.address)} over to a child: the ${engine.name} engine accepts whoever comes; the linux engine is needed`,
    { fault: 'usage', where: formatAddress(spec.address) },
  )
}
