/**
 * One recorder per file. Two would write over each other's blocks.
 *
 * Node has no flock(2), and a lock file would outlive a killed process. On Linux an abstract unix socket named
 * after the file's device and inode serves: the kernel frees the name with the process (unix(7)). It is seen by the
 * processes of one network namespace; elsewhere, and between containers, only recorders of this process are kept apart.
 *
 * A recorder of many files has one lock for all of them, named after its run, which each of them says in its section header.
 */

import { createHash } from 'node:crypto'
import { createConnection, createServer, type Server } from 'node:net'
import { errnoOf } from '../../errors.js'

export interface Lock {
  release(): void
}

const inThisProcess = new Set<string>()

const socketName = (key: string): string => `\0tidegate-recording-${key}`

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
    const server = await listen(socketName(key))
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
  return lockKey(key)
}

const runKey = (recording: string): string => `run-${digestOf(recording)}`

/** Says that a run records, until it is released or the process ends. Null when somebody else says so. */
export const lockRun = (recording: string): Promise<Lock | null> => lockKey(runKey(recording))

/** Whether some process records as this run now. It takes nothing, so several may ask at once. */
export const isRecording = async (recording: string): Promise<boolean> => {
  const key = runKey(recording)
  if (inThisProcess.has(key)) return true
  if (process.platform !== 'linux') return false
  return new Promise((resolve) => {
    const socket = createConnection({ path: socketName(key) })
    socket.once('error', (error) => resolve(errnoOf(error) === 'EAGAIN'))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

const lockKey = async (key: string): Promise<Lock | null> => {
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
