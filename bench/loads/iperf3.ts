/** iperf3: bulk, as much as goes through, over several streams. */

import { freePort, LOOPBACK, waitUntilListening } from '../machine/ports.js'
import { runProgram, startProgram } from '../machine/programs.js'
import type { Site } from './bench-site.js'

/** Beyond the time a run was asked to take. */
const PATIENCE_MS = 15_000

export interface Moved {
  readonly bytes: number
  readonly seconds: number
}

interface Report {
  readonly error?: string
  readonly end?: { readonly sum_received?: { readonly bytes?: number; readonly seconds?: number } }
}

/** Reads what `iperf3 --json` prints; throws what it complains of. */
export const parseIperf3 = (json: string): Moved => {
  const { error, end } = JSON.parse(json) as Report
  if (error !== undefined) throw new Error(`iperf3: ${error}`)
  const { bytes = 0, seconds = 0 } = end?.sum_received ?? {}
  if (bytes <= 0 || seconds <= 0) throw new Error('iperf3 received nothing')
  return { bytes, seconds }
}

/** @returns its port */
export const startIperf3 = async ({ scope, cores, tool }: Site): Promise<number> => {
  const port = await freePort()
  const command = [tool('iperf3'), '--server', '--bind', LOOPBACK, '--port', String(port)] as const
  await waitUntilListening(startProgram(scope, cores.others(command)), port)
  return port
}

/** @param downstream from the server to the client instead of the other way */
export const runIperf3 = async (
  { scope, cores, tool, streams }: Site,
  port: number,
  seconds: number,
  downstream: boolean,
): Promise<Moved> => {
  const command = [
    ...([tool('iperf3'), '--json', '--client', LOOPBACK, '--port', String(port)] as const),
    ...['--parallel', String(streams), '--time', String(seconds)],
    ...(downstream ? ['--reverse'] : []),
  ] as const
  const { stdout } = await runProgram(scope, cores.others(command), {
    timeoutMs: seconds * 1000 + PATIENCE_MS,
  })
  return parseIperf3(stdout)
}
