/** A recording gateway in a process of its own, that says what its recording has acknowledged. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { eventually, type Scope, within } from '../support/scope.js'

const PROGRAM = fileURLToPath(new URL('../support/programs/acknowledging.mjs', import.meta.url))

export interface Program {
  readonly pid: number
  readonly port: number
  /** What has been acknowledged, as far as is known. */
  acknowledged(): number
  /** Resolves when it has relayed as much as this, and all that it has relayed is acknowledged. */
  settled(bytes: number): Promise<void>
  /** Resolves when so much is; rejects if it gets no further, however slow the disk. */
  reached(bytes: number): Promise<void>
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

export const startProgram = async (scope: Scope, config: object): Promise<Program> => {
  const child = fork(PROGRAM, [JSON.stringify(config)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  scope.defer(() => void child.kill('SIGKILL'))
  let acknowledged = 0
  let relayed = 0
  let port = 0
  child.on('message', (said: { port?: number; storedBytes?: number; seenBytes?: number }) => {
    relayed = said.seenBytes ?? relayed
    port = said.port ?? port
    acknowledged = said.storedBytes ?? acknowledged
  })
  await Promise.race([
    eventually('the program to listen', () => port > 0, 30_000),
    exited.then(() => Promise.reject(new Error('the program ended'))),
  ])
  return {
    pid: child.pid ?? 0,
    port,
    acknowledged: () => acknowledged,
    settled: async (bytes) => {
      await eventually(
        `${bytes} bytes to be relayed and acknowledged`,
        () => relayed >= bytes && acknowledged === relayed,
        30_000,
      )
    },
    reached: async (bytes) => {
      while (acknowledged <= bytes) {
        const before = acknowledged
        await eventually(
          `more than ${before} of ${Math.round(bytes)} bytes to be acknowledged`,
          () => acknowledged > before,
          30_000,
        )
      }
    },
    kill: async (signal) => {
      child.kill(signal)
      const [code] = await within(30_000, `the program to end after ${signal}`, exited)
      if (signal === 'SIGTERM' && code !== 0) throw new Error(`the program ended with ${code}`)
    },
  }
}
