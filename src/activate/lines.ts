/** Bytes of a program's output into lines of text, none longer than a bound: what has no line break is cut. */

import { StringDecoder } from 'node:string_decoder'

/** Enough for any message; a program that prints megabytes without a line break is told in pieces. */
const MAX_LINE_CHARACTERS = 8192
const LINE_BREAK = 0x0a

export class Lines {
  readonly #decoder = new StringDecoder('utf8')
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  add(chunk: Buffer): void {
    const parts = (this.#rest + this.#decoder.write(chunk)).split('\n')
    this.#rest = parts.pop() ?? ''
    for (const line of parts) this.#tell(line.endsWith('\r') ? line.slice(0, -1) : line)
    while (this.#rest.length > MAX_LINE_CHARACTERS) {
      this.#onLine(this.#rest.slice(0, MAX_LINE_CHARACTERS))
      this.#rest = this.#rest.slice(MAX_LINE_CHARACTERS)
    }
  }

  /**
   * For a flood: tells at most the last `most` whole lines of the chunk, at the cost of looking for line breaks only. Gives how many
   * lines it passed over; the beginning of the first one may have come before.
   */
  addLast(chunk: Buffer, most: number): number {
    let from = chunk.length
    for (let n = 0; n <= most; n++) {
      from = from > 0 ? chunk.lastIndexOf(LINE_BREAK, from - 1) : -1
      if (from < 0) {
        this.add(chunk)
        return 0
      }
    }
    let passedOver = 0
    // Cheaper than a search for each where lines are short.
    for (let at = 0; at <= from; at++) if (chunk[at] === LINE_BREAK) passedOver++
    this.#decoder.end()
    this.#rest = ''
    this.add(chunk.subarray(from + 1))
    return passedOver
  }

  /** What is left without a line break is a line, too. */
  end(): void {
    const rest = this.#rest + this.#decoder.end()
    this.#rest = ''
    if (rest !== '') this.#tell(rest)
  }

  #tell(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += MAX_LINE_CHARACTERS)
      this.#onLine(line.slice(at, at + MAX_LINE_CHARACTERS))
  }
}
