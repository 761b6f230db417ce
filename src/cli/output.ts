/**
 * Data on stdout, messages on stderr: what a reading command prints to, without ever holding more than one slab of it.
 *
 * A pipe that its reader closed (`| head`) is a quiet end, not a failure.
 */

import type { Writable } from 'node:stream'
import { errnoOf, messageOf, TidegateError } from '../errors.js'
import { type ExitCode, failureText } from './failure.js'

export interface Terminal extends Writable {
  readonly isTTY?: boolean
}

/** What a command has to do with its process; tests give their own. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array>
  readonly stdout: Terminal
  readonly stderr: Terminal
  setExitCode(code: ExitCode): void
}

export const processIo = (): CommandIo => ({
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  setExitCode: (code) => {
    process.exitCode = code
  },
})

/** A line for people, led by the program's name as every message of ours is. */
export const tell = ({ stderr }: CommandIo, message: string): void => {
  stderr.write(failureText(message))
}

export interface Output {
  /** Takes the piece (copied before it returns). Where there is a promise, wait for it before writing more. */
  write(piece: string | Uint8Array): Promise<void> | undefined
  /** Resolves once everything taken so far is written. */
  flush(): Promise<void>
}

/**
 * Collected before it is written: few enough system calls to keep up with a disk, and little enough to follow a live
 * stream.
 */
const SLAB_BYTES = 256 * 1024

/** UTF-8 needs at most three bytes for each UTF-16 unit of a string. */
const MAX_BYTES_PER_UNIT = 3

/** @param send writes bytes that do not change until it resolves. */
export const createOutput = (send: (bytes: Uint8Array) => Promise<void>): Output => {
  const slab = new Uint8Array(SLAB_BYTES)
  const encoder = new TextEncoder()
  let used = 0

  const flush = async (): Promise<void> => {
    if (used === 0) return
    await send(slab.subarray(0, used))
    used = 0
  }

  const spill = async (bytes: Uint8Array): Promise<void> => {
    await flush()
    if (bytes.length >= SLAB_BYTES) return send(bytes)
    slab.set(bytes)
    used = bytes.length
  }

  const write = (piece: string | Uint8Array): Promise<void> | undefined => {
    if (typeof piece === 'string') {
      if (piece.length * MAX_BYTES_PER_UNIT > SLAB_BYTES - used) return spill(encoder.encode(piece))
      used += encoder.encodeInto(piece, slab.subarray(used)).written
      return undefined
    }
    if (piece.length > SLAB_BYTES - used) return spill(piece)
    slab.set(piece, used)
    used += piece.length
    return undefined
  }

  return { write, flush }
}

/** The reader of our stdout is gone. Caught by {@link withStdout}. */
class OutputClosed extends Error {}

/** What Node says of a stream whose other end was closed, at the first write and at those after it. */
const CLOSED = new Set(['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'])

const asFailure = (thrown: unknown): Error => {
  const errno = errnoOf(thrown)
  if (errno !== undefined && CLOSED.has(errno)) return new OutputClosed('stdout was closed')
  return new TidegateError('write_failed', `cannot write to stdout: ${messageOf(thrown)}`, {
    fault: 'system',
    cause: thrown,
    ...(errno === undefined ? {} : { errno }),
  })
}

const sendTo =
  (stream: Writable) =>
  (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(asFailure(error)) : resolve()))
    })

const ignoreError = (): void => {}

/**
 * Runs `work` with stdout, and writes out what it left. A closed stdout ends it early and quietly.
 * @throws TidegateError (rejects) `write_failed` when stdout cannot be written (redirected to a full disk).
 */
export const withStdout = async (
  { stdout, stderr }: CommandIo,
  work: (output: Output) => Promise<void>,
): Promise<void> => {
  const output = createOutput(sendTo(stdout))
  // The write's own callback tells of the error; unheard, the event would end the process with a stack trace.
  stdout.on('error', ignoreError)
  stderr.on('error', ignoreError)
  try {
    await work(output)
    await output.flush()
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  }
}
