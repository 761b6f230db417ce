/**
 * What all seats report, as one story: a trouble that several planes have is told when the first has it and when none has it
 * any more.
 */

import type { Logger } from '../../ports/logger.js'
import { logReport } from './reports.js'
import type { SeatReport } from './seat.js'

/** Who has it, and what it has cost those who have it no more. */
class Trouble {
  readonly #seats = new Set<number>()
  #lostBytes = 0

  /** True when nobody had it. */
  begins(seat: number): boolean {
    const isNew = this.#seats.size === 0
    if (isNew) this.#lostBytes = 0
    this.#seats.add(seat)
    return isNew
  }

  /** What was lost in all, when nobody has it any more; else null. */
  ends(seat: number, lostBytes: number): number | null {
    if (!this.#seats.delete(seat)) return null
    this.#lostBytes += lostBytes
    return this.#seats.size === 0 ? this.#lostBytes : null
  }

  /** What a seat that is gone had is not over, but nobody will say more of it. */
  forget(seat: number): void {
    this.#seats.delete(seat)
  }
}

export class Troubles {
  readonly #logger: Logger
  readonly #where: string
  readonly #failing = new Trouble()
  readonly #overload = new Trouble()
  #saidUnfinished = false

  constructor(logger: Logger, where: string) {
    this.#logger = logger
    this.#where = where
  }

  hear(seat: number, report: SeatReport): void {
    switch (report.kind) {
      case 'unfinished':
        return this.unfinished()
      case 'write_failing':
        if (this.#failing.begins(seat)) logReport(this.#logger, this.#where, report)
        return
      case 'overload':
        if (this.#overload.begins(seat)) logReport(this.#logger, this.#where, report)
        return
      case 'write_recovered':
      case 'overload_over': {
        const trouble = report.kind === 'overload_over' ? this.#overload : this.#failing
        const lostBytes = trouble.ends(seat, report.lostBytes)
        if (lostBytes !== null) logReport(this.#logger, this.#where, { ...report, lostBytes })
      }
    }
  }

  unfinished(): void {
    if (this.#saidUnfinished) return
    this.#saidUnfinished = true
    this.#logger.warn({ where: this.#where }, `the recording to '${this.#where}' was not finished in time`)
  }

  writerDied(why: string): void {
    this.#logger.error(
      { where: this.#where, why },
      `the thread that writes the recording to '${this.#where}' ended, nothing more is stored: ${why}`,
    )
  }

  planeDied(seat: number, plane: number, lostBytes: number, unclosed: number): void {
    this.seatLeft(seat)
    if (lostBytes === 0 && unclosed === 0) return
    this.#logger.warn(
      { where: this.#where, plane, lostBytes, unclosed },
      `the recording to '${this.#where}' lacks what thread ${plane} had not handed over when it ended: ${lostBytes} bytes, and how ${unclosed} connections ended`,
    )
  }

  seatLeft(seat: number): void {
    this.#failing.forget(seat)
    this.#overload.forget(seat)
  }
}
