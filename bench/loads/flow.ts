/**
 * Bulk that ends in order, to the last byte, so that what was relayed can be compared with what was recorded. iperf3 will not do: it
 * says one byte at a time, for the rest of which gogetway waits.
 */

import { join } from 'node:path'
import type { Target } from '../contenders/start.js'
import { freePort, waitUntilListening } from '../machine/ports.js'
import { runProgram, startProgram } from '../machine/programs.js'
import type { Site } from './bench-site.js'
import type { Moved } from './iperf3.js'

const PATIENCE_MS = 15_000

const peer = (name: string, ...args: readonly (number | string)[]): [string, ...string[]] => [
  process.execPath,
  join(import.meta.dirname, 'peers', `${name}.js`),
  ...args.map(String),
]

/** @returns its port */
export const startFlow = async ({ scope, cores, network }: Site): Promise<number> => {
  const port = await freePort()
  const command = peer('flow', network.serviceHost, port)
  await waitUntilListening(startProgram(scope, cores.others(command)), port)
  return port
}

/** From the service to the client. @returns what the client has got */
export const runFlow = async (
  { scope, cores, streams }: Site,
  { host, port }: Pick<Target, 'host' | 'port'>,
  seconds: number,
): Promise<Moved> => {
  const command = cores.others(peer('flow-reader', host, port, seconds, streams))
  const { stdout } = await runProgram(scope, command, { timeoutMs: seconds * 1000 + PATIENCE_MS })
  return JSON.parse(stdout) as Moved
}
