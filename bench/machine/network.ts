/**
 * Where contenders, loads and services meet.
 *
 * - loopback: the machine's own
 * - far network: a network namespace of the bench's own, which has a loopback, too, and an address that is some milliseconds
 *   away. It has no name: it is gone with the last process in it, however that ended.
 */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command, Cores } from './cores.js'
import { LOOPBACK } from './ports.js'
import { type Program, startProgram } from './programs.js'
import type { Scope } from './scope.js'
import { findTool } from './tools.js'

export interface Network {
  /** Where services listen. */
  readonly serviceHost: string
  /** Where contenders reach them. */
  readonly upstreamHost: string
  /** The command, made to run in this network. */
  enter(command: Command): Command
}

export const LOOPBACK_NETWORK: Network = {
  serviceHost: LOOPBACK,
  upstreamHost: LOOPBACK,
  enter: (command) => command,
}

/** Of the range that is set aside for measurements (RFC 2544, C.2.2): nobody's, and in no network but this one. */
const FAR = { here: '198.18.0.1', there: '198.18.0.2', prefix: 30 } as const

const TOOLS = ['unshare', 'nsenter', 'ip'] as const

const ASK_EVERY_MS = 10
const START_MS = 10_000

/** What the program says once the path is there. */
const READY = 'ready'

const waitUntilReady = async (program: Program): Promise<void> => {
  const deadline = Date.now() + START_MS
  while (program.lastWords() !== READY) {
    if (!program.isRunning()) {
      await program.ended
      throw new Error(program.lastWords())
    }
    if (Date.now() > deadline)
      throw new Error(`it was not there within ${START_MS / 1000} s: ${program.lastWords()}`)
    await sleep(ASK_EVERY_MS)
  }
}

const enterBy =
  (nsenter: string, pid: number) =>
  (command: Command): Command => [nsenter, `--net=/proc/${pid}/ns/net`, '--', ...command]

/** Opens a far network, `delayMs` each way, until the scope ends. @returns why this machine has none, if so */
export const openFarNetwork = async (
  scope: Scope,
  delayMs: number,
): Promise<Network | { readonly missing: string }> => {
  const [unshare, nsenter, ip] = TOOLS.map(findTool)
  if (!unshare || !nsenter || !ip)
    return { missing: `not installed: ${TOOLS.filter((name) => findTool(name) === null).join(', ')}` }
  const delayLine = [process.execPath, join(import.meta.dirname, 'delay-line.js')]
  const path = [FAR.here, FAR.there, FAR.prefix, delayMs].map(String)
  const program = startProgram(scope, [unshare, '--net', ...delayLine, ip, ...path])
  try {
    await waitUntilReady(program)
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    return { missing: `no network namespace with a delayed path: ${why}` }
  }
  return { serviceHost: FAR.here, upstreamHost: FAR.there, enter: enterBy(nsenter, program.pid) }
}

/** As `cores`, in this network. */
export const coresWithin = (network: Network, cores: Cores): Cores => ({
  contender: (command) => network.enter(cores.contender(command)),
  others: (command) => network.enter(cores.others(command)),
})
