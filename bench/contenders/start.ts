/** A contender as it runs: its port, and what it has cost so far. */

import type { Cores } from '../machine/cores.js'
import { connectionsWithin } from '../machine/descriptors.js'
import { freePort, LOOPBACK, waitUntilListening } from '../machine/ports.js'
import { groupCpuSeconds, groupResidentKiB } from '../machine/proc.js'
import { type Program, startProgram } from '../machine/programs.js'
import type { Scope } from '../machine/scope.js'
import { settled } from '../machine/settle.js'
import { fileRecorder, type Recorder } from '../recordings/recorder.js'
import type { Contender, Place, Ready } from './contender.js'

/** What a load is put on: a contender, or the backend itself. */
export interface Target {
  readonly host: string
  readonly port: number
  /** Of the backend. */
  readonly upstreamPort: number
  /** CPU time used so far by the program and all it forked, in seconds; 0 for the backend itself. */
  cpuSeconds(): Promise<number>
  /** Resident memory; 0 for the backend itself. */
  residentKiB(): number
  /** Null: nobody records. */
  readonly recorder: Recorder | null
  /** The system's limits allow no more. */
  readonly mostConnections: number
}

/** The backend itself, to see what a load costs with nobody in between. */
export const directTo = (host: string, port: number): Target => ({
  host,
  port,
  upstreamPort: port,
  cpuSeconds: async () => 0,
  residentKiB: () => 0,
  recorder: null,
  mostConnections: connectionsWithin(1),
})

/** More than any recorder needs to write what it has gathered. */
const WRITING_MS = 10_000

const askWhileAlive = (program: Program, ask: (group: number) => number) => (): number => {
  if (!program.isRunning()) throw new Error(`it has ended: ${program.lastWords()}`)
  return ask(program.pid)
}

export const startContender = async (
  scope: Scope,
  cores: Cores,
  { descriptorsEach, recordsAs }: Contender,
  ready: Ready,
  wanted: Omit<Place, 'directory' | 'port'>,
): Promise<Target> => {
  const port = await freePort()
  const { command, env = {} } = ready.launch({ ...wanted, port, directory: scope.tempDir() })
  const program = startProgram(scope, cores.contender(command), { env })
  await waitUntilListening(program, port)
  const cpuSeconds = askWhileAlive(program, groupCpuSeconds)
  const upstreamPort = Number(wanted.upstream.slice(wanted.upstream.lastIndexOf(':') + 1))
  const recorderOf = (file: string): Recorder | null =>
    ready.recorder?.(scope, cores, { file, upstreamPort }) ??
    (recordsAs === null ? null : fileRecorder(file, recordsAs))
  return {
    host: LOOPBACK,
    port,
    upstreamPort,
    recorder: wanted.recordTo === null ? null : recorderOf(wanted.recordTo),
    // A recorder may still be writing what was relayed; that is part of its price.
    cpuSeconds: wanted.recordTo === null ? async () => cpuSeconds() : () => settled(cpuSeconds, WRITING_MS),
    residentKiB: askWhileAlive(program, groupResidentKiB),
    mostConnections: connectionsWithin(descriptorsEach),
  }
}
