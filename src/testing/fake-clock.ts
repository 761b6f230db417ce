/** A clock that stands still until it is told how much time has passed: for tests of pools, and of whatever else is given its time. */

import { setImmediate } from 'node:timers/promises'
import type { Cancel, Clock } from '../core/pool/clock.js'

interface Alarm {
  readonly atMs: number
  readonly run: () => void
}

export class FakeClock implements Clock {
  #nowMs = 0
  readonly #alarms = new Set<Alarm>()

  /** How many calls are still to come. */
  get pending(): number {
    return this.#alarms.size
  }

  now(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Cancel {
    const alarm = { atMs: this.#nowMs + delayMs, run }
    this.#alarms.add(alarm)
    return () => void this.#alarms.delete(alarm)
  }

  /** Lets time pass, and calls what comes due, in order. */
  elapse(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (let alarm = this.#next(untilMs); alarm !== null; alarm = this.#next(untilMs)) this.#ring(alarm)
    this.#nowMs = untilMs
  }

  /** The same, and between two calls whatever promises have brought about is done first. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await setImmediate()
    for (let alarm = this.#next(untilMs); alarm !== null; alarm = this.#next(untilMs)) {
      this.#ring(alarm)
      await setImmediate()
    }
    this.#nowMs = untilMs
  }

  #ring(alarm: Alarm): void {
    this.#alarms.delete(alarm)
    this.#nowMs = Math.max(this.#nowMs, alarm.atMs)
    alarm.run()
  }

  /** The first of those that are due at the earliest moment. */
  #next(untilMs: number): Alarm | null {
    let next: Alarm | null = null
    for (const alarm of this.#alarms)
      if (alarm.atMs <= untilMs && (next === null || alarm.atMs < next.atMs)) next = alarm
    return next
  }
}
