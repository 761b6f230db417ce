/**
 * A process and all that it has started, as long as they stay in its group (setpgid(2)): asked to end, given time, killed.
 *
 * - leader: the process that was started; the group has its number, and keeps it until the last member has ended
 */

import { errnoOf } from '../errors.js'

/** How often it is looked whether members are left that outlived the leader: the system does not tell. */
const LOOK_EVERY_MS = 50

/** Ends the groups that it keeps when this process dies and cannot do it any more. */
export interface GroupKeeper {
  keep(group: number): void
  /** Nobody of it is left; the number may be another's from now on. */
  release(group: number): void
}

export class ProcessGroup {
  readonly #id: number
  readonly #stopTimeoutMs: number
  readonly #onGone: () => void
  #state: 'running' | 'asked' | 'killed' | 'gone' = 'running'
  #hasLeader = true
  #timer: NodeJS.Timeout | undefined
  #look: NodeJS.Timeout | undefined

  /** `onGone`: called once, when the leader has ended and no other member is left, or all have been killed. */
  constructor(leader: number, stopTimeoutMs: number, onGone: () => void) {
    this.#id = leader
    this.#stopTimeoutMs = stopTimeoutMs
    this.#onGone = onGone
  }

  /** SIGTERM, and SIGKILL to who is left when the time is over; a shorter one counts also when it was asked before. Idempotent. */
  stop(withinMs = this.#stopTimeoutMs): void {
    if (this.#state === 'running') {
      this.#state = 'asked'
      if (!this.#signal('SIGTERM') && !this.#hasLeader) return this.#gone()
    } else if (this.#state !== 'asked' || withinMs >= this.#stopTimeoutMs) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.kill(), withinMs)
  }

  /** Idempotent. */
  kill(): void {
    if (this.#state === 'killed' || this.#state === 'gone') return
    this.#state = 'killed'
    clearTimeout(this.#timer)
    this.#signal('SIGKILL')
    if (!this.#hasLeader) this.#gone()
  }

  /** To be called once, as soon as the leader's end is known. Members that outlived it are asked to end. */
  leaderEnded(): void {
    this.#hasLeader = false
    if (this.#state === 'killed') this.#gone()
    else if (this.#state === 'running') this.stop()
    if (this.#state === 'asked') {
      this.#lookAgain()
      if (this.#state === 'asked') this.#look = setInterval(() => this.#lookAgain(), LOOK_EVERY_MS)
    }
  }

  #lookAgain(): void {
    if (!this.#signal(0)) this.#gone()
  }

  #gone(): void {
    this.#state = 'gone'
    clearTimeout(this.#timer)
    clearInterval(this.#look)
    this.#onGone()
  }

  /** False when there is nobody, or nobody who may be told. */
  #signal(signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
    try {
      process.kill(-this.#id, signal)
      return true
    } catch (thrown) {
      if (errnoOf(thrown) === 'ESRCH' || errnoOf(thrown) === 'EPERM') return false
      throw thrown
    }
  }
}
