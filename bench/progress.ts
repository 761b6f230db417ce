/** One line that says what is being measured: rewritten on a terminal, nothing elsewhere. */

import type { WriteStream } from 'node:tty'

export interface Progress {
  show(line: string): void
  /** Takes the line away; nothing is shown afterwards. */
  end(): void
}

export const showProgress = (stream: WriteStream): Progress => {
  let ended = !stream.isTTY
  const clear = (): void => {
    stream.cursorTo(0)
    stream.clearLine(1)
  }
  return {
    show: (line) => {
      if (ended) return
      clear()
      stream.write(line.slice(0, stream.columns - 1))
    },
    end: () => {
      if (ended) return
      ended = true
      clear()
    },
  }
}
