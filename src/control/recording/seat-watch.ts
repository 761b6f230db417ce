/** The main thread's eye on one seat: what it reports, its figures, and when it is over. */

import type { MessagePort } from 'node:worker_threads'
import { FIGURE, figure } from '../../core/record/counters.js'
import { Tuples } from '../../core/record/tuples.js'
import { SEAT_CELL, SEAT_CELLS, type SeatReport } from './seat.js'

export interface SeatEvents {
  readonly onReport: (report: SeatReport) => void
  /** Called once: the plane has closed its seat, or its thread is dead. */
  readonly onGone: () => void
}

export interface Missing {
  readonly lostBytes: number
  readonly unclosed: number
}

export class SeatWatch {
  readonly plane: number
  readonly owner: number
  readonly cells = new Float64Array(new SharedArrayBuffer(SEAT_CELLS * Float64Array.BYTES_PER_ELEMENT))

  constructor(plane: number, owner: number, reports: MessagePort, { onReport, onGone }: SeatEvents) {
    this.plane = plane
    this.owner = owner
    reports.on('message', onReport)
    reports.on('close', onGone)
    reports.unref()
  }

  /**
   * When it is gone, and the writer is done with what it had sent: null if its plane has accounted for everything. Else enters what is missing as lost, as its recorder would
   * have, and gives back the ends of its connections. Closes that the writer took last may count as missing.
   */
  settle(ends: SharedArrayBuffer): Missing | null {
    if (this.cells[SEAT_CELL.ended] === 1) return null
    const { cells } = this
    new Tuples(ends, this.owner).releaseAll()
    const stored = figure(cells, SEAT_CELL.writtenBytes)
    const lost = figure(cells, FIGURE.seenBytes) - figure(cells, FIGURE.cutBytes) - stored
    const lostBytes = lost - figure(cells, FIGURE.lostBytes)
    const unclosed = figure(cells, FIGURE.connections) - figure(cells, FIGURE.storedCloses)
    cells[FIGURE.storedBytes] = stored
    cells[FIGURE.lostBytes] = lost
    cells[FIGURE.answeredBytes] = figure(cells, FIGURE.blockBytes)
    cells[FIGURE.unclosed] = unclosed
    cells[FIGURE.waitingCloses] = 0
    return { lostBytes, unclosed }
  }
}
