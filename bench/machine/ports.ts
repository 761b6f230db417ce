/** Ports on loopback, and waiting until somebody listens there. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { isListening } from './proc.js'
import type { Program } from './programs.js'

export const LOOPBACK = '127.0.0.1'

/** A port that nobody listens on now. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const ASK_EVERY_MS = 10
const START_MS = 20_000

/** Resolves once `program` listens on `port`. Rejects with its last words if it ends or takes too long. */
export const waitUntilListening = async (program: Program, port: number): Promise<void> => {
  const deadline = Date.now() + START_MS
  while (!isListening(program.pid, port)) {
    if (!program.isRunning()) {
      await program.ended
      throw new Error(`it ended before it listened: ${program.lastWords()}`)
    }
    if (Date.now() > deadline)
      throw new Error(`it did not listen within ${START_MS / 1000} s: ${program.lastWords()}`)
    await sleep(ASK_EVERY_MS)
  }
}
