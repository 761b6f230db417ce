/** From what the schema made of a `wake` section to a {@link WakeConfig}. */

import type { WakeConfig, WakeDriverConfig, WakeReadyConfig } from './config.js'
import type { CheckedWake } from './wake-schema.js'

const driverOf = ({ exec, command }: CheckedWake): WakeDriverConfig => {
  if (exec !== undefined) return { kind: 'exec', argv: exec }
  if (command === undefined) return { kind: 'custom' }
  const { start, stop, isUp, interval } = command
  return { kind: 'command', start, stop, isUp, intervalMs: interval }
}

const readyOf = ({ readyWhen, command }: CheckedWake): WakeReadyConfig => {
  if (readyWhen === undefined) return { by: command === undefined ? 'connect' : 'driver' }
  if (typeof readyWhen === 'string') return { by: readyWhen }
  if ('output' in readyWhen) return { by: 'output', pattern: readyWhen.output }
  return { by: 'command', argv: readyWhen.command }
}

export const wakeOf = (wake: CheckedWake): WakeConfig => ({
  mode: wake.mode,
  driver: driverOf(wake),
  workdir: wake.workdir ?? null,
  env: wake.env,
  user: wake.user ?? null,
  group: wake.group ?? null,
  // A process that accepts by itself knows itself when it is idle.
  idleMs: wake.mode === 'listener' ? 0 : wake.idle,
  idleBy: wake.idleBy,
  minUptimeMs: wake.minUptime,
  startMs: wake.start,
  readyMs: wake.ready,
  ready: readyOf(wake),
  stopTimeoutMs: wake.stopTimeout,
  stopSignal: wake.stopSignal,
  on: wake.wakeOn,
  match: wake.wakeMatch,
  from: wake.wakeFrom,
})
