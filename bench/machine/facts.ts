/** What this machine is, for the report. */

import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import type { MachineFacts } from '../report/results.js'

const congestionControl = (): string => {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()
  } catch {
    return 'unknown'
  }
}

export const machineFacts = (): MachineFacts => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  kernel: release(),
  node: process.versions.node,
  congestionControl: congestionControl(),
  loadBefore: loadavg()[0] ?? 0,
})
