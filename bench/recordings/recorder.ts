/** Who writes down what is relayed, seen from outside: what is in its file in the end, and since when. */

import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RecordingFormat, storedIn } from './stored.js'

export interface Recorded {
  /** Of the connections, since `begin`. */
  readonly bytes: number
  /** When the last of them came into the file, as `performance.now()` has it; null: while they were relayed. */
  readonly at: number | null
  /** Used by a recorder that is a process of its own. */
  readonly cpuSeconds: number
  /** Packets that it could not take, where it counts them. */
  readonly dropped: number | null
}

export interface Recorder {
  /** Before anything is relayed. */
  begin(): Promise<void>
  /** Resolves once all that it is going to write is written. */
  end(): Promise<Recorded>
}

const LOOK_EVERY_MS = 20

/** A file that has not grown for so long is done: a recorder may have garbage to collect in between, and others may have the cores. */
const STEADY_MS = 1500

/** More than any recorder needs to write what it has gathered. */
const PATIENCE_MS = 20_000

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Waits until the file does not grow any more; resolves with when it last did, or was first looked at. */
export const fileSteady = async (path: string, steadyMs = STEADY_MS): Promise<number> => {
  const deadline = performance.now() + PATIENCE_MS
  let [size, at] = [sizeOf(path), performance.now()]
  for (let now = at; now - at < steadyMs && now < deadline; ) {
    await sleep(LOOK_EVERY_MS)
    now = performance.now()
    const current = sizeOf(path)
    if (current !== size) [size, at] = [current, now]
  }
  return at
}

/** For a gateway that records by itself. */
export const fileRecorder = (path: string, format: RecordingFormat): Recorder => {
  let counted = 0
  return {
    begin: async () => {},
    end: async () => {
      const at = await fileSteady(path)
      const { bytes, end } = storedIn(path, format, counted)
      counted = end
      return { bytes, at, cpuSeconds: 0, dropped: null }
    },
  }
}
