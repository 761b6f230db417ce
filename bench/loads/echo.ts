/** A service that sends back what it gets, and a client that plays ping-pong with it; each a process of its own. */

import { join } from 'node:path'
import { freePort, waitUntilListening } from '../machine/ports.js'
import { runProgram, startProgram } from '../machine/programs.js'
import type { Site } from './bench-site.js'

const PATIENCE_MS = 15_000

const peer = (name: string, ...args: readonly (number | string)[]): [string, ...string[]] => [
  process.execPath,
  join(import.meta.dirname, 'peers', `${name}.js`),
  ...args.map(String),
]

/** @returns its port */
export const startEcho = async ({ scope, cores }: Site): Promise<number> => {
  const port = await freePort()
  await waitUntilListening(startProgram(scope, cores.others(peer('echo', port))), port)
  return port
}

export interface RoundTrips {
  readonly count: number
  /** In microseconds. */
  readonly p50: number
  readonly p99: number
}

/** One connection, one small message at a time. */
export const runPingPong = async (
  { scope, cores }: Site,
  port: number,
  seconds: number,
): Promise<RoundTrips> => {
  const { stdout } = await runProgram(scope, cores.others(peer('ping-pong', port, seconds)), {
    timeoutMs: seconds * 1000 + PATIENCE_MS,
  })
  return JSON.parse(stdout) as RoundTrips
}
