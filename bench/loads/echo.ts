/** A service that sends back what it gets, and clients of it; each a process of its own. */

import { join } from 'node:path'
import type { Target } from '../contenders/start.js'
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
export const startEcho = async ({ scope, cores, network }: Site): Promise<number> => {
  const port = await freePort()
  const command = peer('echo', network.serviceHost, port)
  await waitUntilListening(startProgram(scope, cores.others(command)), port)
  return port
}

export interface Times {
  readonly count: number
  readonly p50: number
  readonly p99: number
}

const runClient = async (
  { scope, cores }: Site,
  command: [string, ...string[]],
  seconds: number,
): Promise<Times> => {
  const { stdout } = await runProgram(scope, cores.others(command), {
    timeoutMs: seconds * 1000 + PATIENCE_MS,
  })
  return JSON.parse(stdout) as Times
}

/** One connection, one small message at a time; in microseconds. */
export const runPingPong = (site: Site, port: number, seconds: number): Promise<Times> =>
  runClient(site, peer('ping-pong', port, seconds), seconds)

/** A new connection for each small message, one at a time: until its first byte comes back; in milliseconds. */
export const runFirstBytes = (
  site: Site,
  { host, port }: Pick<Target, 'host' | 'port'>,
  seconds: number,
): Promise<Times> => runClient(site, peer('first-byte', host, port, seconds), seconds)
