/** What this machine is, for the report. */

import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import type { MachineFacts } from '../report/results.js'

export const machineFacts = (): MachineFacts => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  kernel: release(),
  node: process.versions.node,
  loadBefore: loadavg()[0] ?? 0,
})
