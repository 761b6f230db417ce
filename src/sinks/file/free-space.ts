/**
 * The floor of free space: what a recording may not take from everybody else on its disk. Asking the system costs a call, so it is done
 * about once a second, and sooner when much has been written meanwhile.
 */

import { statfsSync } from 'node:fs'
import { errnoOf, TidegateError } from '../../errors.js'

export interface FreeSpaceFloor {
  /** 0: none. */
  readonly bytes: number
  /** The same for people, `1GiB`. */
  readonly text: string
}

export const NO_FLOOR: FreeSpaceFloor = { bytes: 0, text: '0' }

const LOOK_MS = 1000
/** Of what was above the floor at the last look, how much may be written until the next. */
const LOOK_SHARE = 1 / 4

class BelowFloor extends TidegateError {}

export class FreeSpace {
  readonly #folder: string
  readonly #floor: FreeSpaceFloor
  #lookedMs = Number.NEGATIVE_INFINITY
  /** Above the floor at the last look; null: the system does not say. */
  #room: number | null = 0
  #written = 0

  /** @param folder on the disk that is written to. */
  constructor(folder: string, floor: FreeSpaceFloor) {
    this.#folder = folder
    this.#floor = floor
  }

  /** To be called before each write. @throws TidegateError `write_failed` when it would leave less than the floor. */
  check(bytes: number): void {
    if (this.#floor.bytes === 0) return
    const nowMs = performance.now()
    const isLate = nowMs - this.#lookedMs >= LOOK_MS
    if (isLate || this.#room === null || this.#written + bytes > this.#room * LOOK_SHARE) this.#look(nowMs)
    this.#written += bytes
    if (this.#room === null || this.#written <= this.#room) return
    this.#written -= bytes
    const { text } = this.#floor
    throw new BelowFloor('write_failed', `less than ${text} free`, {
      fault: 'system',
      retryable: true,
      where: this.#folder,
    })
  }

  /** A disk that cannot say how full it is refuses by itself. */
  #look(nowMs: number): void {
    this.#lookedMs = nowMs
    this.#written = 0
    try {
      const { bavail, bsize } = statfsSync(this.#folder)
      this.#room = bavail * bsize - this.#floor.bytes
    } catch {
      this.#room = null
    }
  }
}

const NO_ROOM: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT']

/** Whether a write failed for want of room, on the disk or above the floor: then something less there would help. */
export const isAboutRoom = (error: unknown): boolean => {
  const errno = error instanceof TidegateError ? error.errno : errnoOf(error)
  return error instanceof BelowFloor || NO_ROOM.includes(errno)
}
