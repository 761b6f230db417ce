/** `tcpdump -w` on the loopback device, beside a gateway: as it is by default, whole packets, one conversation once. */

import { rmSync } from 'node:fs'
import type { RecorderPlace } from '../contenders/contender.js'
import type { Cores } from '../machine/cores.js'
import { groupCpuSeconds } from '../machine/proc.js'
import { type Program, startProgram } from '../machine/programs.js'
import type { Scope } from '../machine/scope.js'
import { fileSteady, type Recorder } from './recorder.js'
import { storedIn } from './stored.js'

const PATIENCE_MS = 5000

/** The kernel hands packets over in blocks, a second late at most (packet_mmap; libpcap's `to_ms`). */
const STEADY_MS = 1200

/** Reads what tcpdump prints in the end. @throws if it is something else */
export const parseDropped = (text: string): number => {
  const count = /^(\d+) packets? dropped by kernel$/m.exec(text)?.[1]
  if (count === undefined) throw new Error(`tcpdump did not say what it dropped: ${text.trim()}`)
  return Number(count)
}

/** It ends at SIGTERM, and then prints what it has seen. */
export const tcpdumpCommand = (tcpdump: string, filter: string, file: string): [string, ...string[]] => [
  tcpdump,
  ...['-i', 'lo', '-n', '-w', file],
  // Else it writes as a user of its own, who may not into others' directories.
  ...(process.getuid?.() === 0 ? ['-Z', 'root'] : []),
  filter,
]

export const tcpdumpRecorder = (
  scope: Scope,
  cores: Cores,
  tcpdump: string,
  { file, upstreamPort }: RecorderPlace,
): Recorder => {
  let program: Program | null = null
  return {
    begin: async () => {
      // Between gateway and service: between client and gateway the same bytes go by again.
      const command = tcpdumpCommand(tcpdump, `tcp port ${upstreamPort}`, file)
      program = startProgram(scope, cores.contender(command))
      await program.says('listening on', PATIENCE_MS)
    },
    end: async () => {
      if (program === null) throw new Error('tcpdump was not started')
      await fileSteady(file, STEADY_MS)
      const cpuSeconds = groupCpuSeconds(program.pid)
      await program.stop()
      const { stderr } = await program.ended
      const { bytes } = storedIn(file, 'pcap')
      rmSync(file)
      return { bytes, at: null, cpuSeconds, dropped: parseDropped(stderr) }
    },
  }
}
