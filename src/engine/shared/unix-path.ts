/**
 * A unix socket's path outlives the process that bound it. Only the path of a socket that nobody listens on any more
 * is taken over; a live one, or a file of any other kind, never.
 */

import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { errnoOf } from '../../errors.js'

export type PathState = 'free' | 'stale' | 'live' | 'not_a_socket'

/** A local connect is answered at once, unless the listener's queue is full: then somebody lives there. */
const PROBE_TIMEOUT_MS = 1000

const isRefused = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect({ path })
    const settle = (refused: boolean): void => {
      clearTimeout(timer)
      probe.destroy()
      resolve(refused)
    }
    const timer = setTimeout(() => settle(false), PROBE_TIMEOUT_MS)
    probe.on('connect', () => settle(false))
    probe.on('error', (error) => settle(errnoOf(error) === 'ECONNREFUSED'))
  })

const inspect = async (path: string): Promise<PathState> => {
  try {
    if (!(await lstat(path)).isSocket()) return 'not_a_socket'
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 'free'
    throw thrown
  }
  return (await isRefused(path)) ? 'stale' : 'live'
}

/** What is at `path`; a stale socket has been removed when this resolves. */
export const reclaimPath = async (path: string): Promise<PathState> => {
  const state = await inspect(path)
  if (state === 'stale') await unlink(path)
  return state
}

/** What is really wrong with a path that cannot be bound: libuv reports a missing folder as EACCES (`uv_pipe_bind`). */
export const pathFault = async (path: string, thrown: unknown): Promise<unknown> => {
  if (errnoOf(thrown) !== 'EACCES') return thrown
  try {
    await lstat(dirname(path))
    return thrown
  } catch (fault) {
    return fault
  }
}
