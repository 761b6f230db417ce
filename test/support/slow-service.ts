/** A service that takes a random while for each answer, and knows how many connections and requests it has at a time. */

import { seededRandom } from './payload.js'
import { establishedAt } from './proc.js'
import type { Scope } from './scope.js'
import { startServer } from './sockets.js'

export interface SlowService {
  readonly port: number
  /** Requests that have been answered. */
  readonly answered: number
  /** Most that waited for their answers at a time. */
  readonly mostAtOnce: number
  /** Most connections that were open at a time. */
  readonly mostOpen: number
}

export interface SlowOptions {
  readonly seed: number
  readonly leastMs: number
  readonly mostMs: number
  /** More than these are looked for. */
  readonly limit: number
  /**
   * It ends each connection after one answer: then it knows how many are open, or nearly, since others end hardly any before. Else,
   * and where it seems to be too many, the kernel is asked, now and then, when one has come: its table may be long.
   */
  readonly ends: boolean
}

/** Answers `…\n` with `…\n`. */
export const startSlowService = async (
  scope: Scope,
  { seed, leastMs, mostMs, limit, ends }: SlowOptions,
): Promise<SlowService> => {
  const random = seededRandom(seed)
  let answered = 0
  let atOnce = 0
  let mostAtOnce = 0
  let mostOpen = 0
  let open = 0
  let nextLookAt = 0
  const look = (): void => {
    const before = performance.now()
    if (!ends && before < nextLookAt) return
    // An end that has come already may not have been read yet.
    mostOpen = Math.max(mostOpen, ends && open <= limit ? open : establishedAt(server.port, limit))
    nextLookAt = performance.now() + 3 * (performance.now() - before)
  }
  const server = await startServer(scope, (socket) => {
    let isCounted = true
    const isOver = (): void => {
      if (isCounted) open--
      isCounted = false
    }
    open++
    look()
    socket.on('close', isOver)
    socket.on('data', (line) => {
      mostAtOnce = Math.max(mostAtOnce, ++atOnce)
      setTimeout(
        () => {
          atOnce--
          answered++
          if (!ends) return void socket.write(line)
          isOver()
          socket.end(line)
        },
        leastMs + random() * (mostMs - leastMs),
      )
    })
    socket.on('end', () => socket.end())
  })
  return {
    port: server.port,
    get answered() {
      return answered
    },
    get mostAtOnce() {
      return mostAtOnce
    },
    get mostOpen() {
      return mostOpen
    },
  }
}
