/**
 * One recorder per file. Two would write over each other's blocks.
 *
 * Node has no flock(2), and a lock file would outlive a killed process. On Linux an abstract unix socket named
 * after the file's device and inode serves: the kernel frees the name with the process (unix(7)). It is seen by the
 * processes of one network namespace; elsewhere, and between containers, only recorders of this process are kept apart.
 */

import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { errnoOf } from '../../errors.js'

export interface Lock {
  release(): void
}

const inThisProcess = new Set<string>()

const listen = (name: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen({ path: name }, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve(server.unref())
    })
  })

/** Null when the name is taken. Where there are no abstract sockets, nothing but this process is asked. */
const lockAcrossProcesses = async (key: string): Promise<Lock | null> => {
  if (process.platform !== 'linux') return { release: () => {} }
  try {
    const server = await listen(`\0tidegate-recording-${key}`)
    return { release: () => server.close() }
  } catch (error) {
    return errnoOf(error) === 'EADDRINUSE' ? null : { release: () => {} }
  }
}

/** A socket's name is short. */
const digestOf = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 32)

/** Null when somebody else has it. */
export const lockFile = async (file: {
  readonly dev: bigint
  readonly ino: bigint
  /** What of it, where several may have a part of a folder. */
  readonly name?: string
}): Promise<Lock | null> => {
  const key = `${file.dev}-${file.ino}${file.name === undefined ? '' : `-${digestOf(file.name)}`}`
  if (inThisProcess.has(key)) return null
  inThisProcess.add(key)
  const lock = await lockAcrossProcesses(key)
  if (lock === null) {
    inThisProcess.delete(key)
    return null
  }
  return {
    release: () => {
      if (inThisProcess.delete(key)) lock.release()
    },
  }
}
