/** A progress bar on stderr for files that take long, when somebody is there to see it. */

import { Presets, SingleBar } from 'cli-progress'
import { humanBytes } from './human.js'
import type { CommandIo } from './output.js'

/** Below this a file is read before a bar could be understood. */
export const PROGRESS_FROM_BYTES = 64 * 1024 * 1024

export interface Progress {
  readonly update: (bytesDone: number, totalBytes: number | null) => void
  /** Takes the bar off its line until the next update, so that something else can be printed. */
  readonly hide: () => void
  readonly stop: () => void
}

const SILENT: Progress = { update: () => {}, hide: () => {}, stop: () => {} }

/** Back to the first column, and everything after the cursor erased (ECMA-48: CR, EL). */
const ERASE_LINE = '\r\x1b[K'

const createBar = (stream: NodeJS.WritableStream, totalBytes: number, verb: string): SingleBar => {
  const bar = new SingleBar(
    {
      stream,
      format: `${verb} {bar} {percentage}%  {done} of {size}  {eta_formatted} left`,
      clearOnComplete: true,
      forceRedraw: true,
      fps: 5,
      // Its own handler would swallow the first Ctrl-C.
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  bar.start(totalBytes, 0, { done: humanBytes(0), size: humanBytes(totalBytes) })
  return bar
}

/** @param verb what is being done, e.g. `reading`. */
export const createProgress = ({ stderr }: CommandIo, verb: string): Progress => {
  if (stderr.isTTY !== true) return SILENT
  let bar: SingleBar | null = null
  return {
    update: (bytesDone, totalBytes) => {
      if (totalBytes === null || totalBytes < PROGRESS_FROM_BYTES) return
      bar ??= createBar(stderr, totalBytes, verb)
      bar.update(Math.min(bytesDone, totalBytes), { done: humanBytes(bytesDone) })
    },
    hide: () => {
      if (bar !== null) stderr.write(ERASE_LINE)
    },
    stop: () => {
      bar?.stop()
      bar = null
    },
  }
}
