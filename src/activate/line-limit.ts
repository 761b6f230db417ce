/** How many lines a second reach the log: a person reads no more, and a log is not the place for a child's data. */

const LINES_PER_SECOND = 200
const SECOND_MS = 1000

export class LineLimit {
  /** What was left out, as a line for the log. */
  readonly #tell: (line: string) => void
  #inThisSecond = 0
  #leftOut = 0
  #timer: NodeJS.Timeout | null = null

  constructor(tell: (line: string) => void) {
    this.#tell = tell
  }

  /** There is no room in this second any more. */
  get isFull(): boolean {
    return this.#inThisSecond > LINES_PER_SECOND
  }

  /** False: one line is left out. */
  take(): boolean {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#newSecond()
    }, SECOND_MS).unref()
    if (++this.#inThisSecond <= LINES_PER_SECOND) return true
    this.#leftOut++
    return false
  }

  leaveOut(lines: number): void {
    this.#leftOut += lines
  }

  /** Nothing comes any more: what was left out is told now. */
  close(): void {
    this.#newSecond()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #newSecond(): void {
    this.#inThisSecond = 0
    if (this.#leftOut === 0) return
    this.#tell(this.#leftOut === 1 ? '… 1 line left out' : `… ${this.#leftOut} lines left out`)
    this.#leftOut = 0
  }
}
