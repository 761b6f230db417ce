/** Which cores run what: a contender has one to itself, load and backend have the others. */

import { availableParallelism } from 'node:os'
import { findTool } from './tools.js'

export interface Cores {
  /** The command, made to run where contenders run. */
  contender(command: readonly [string, ...string[]]): readonly [string, ...string[]]
  /** The command, made to run where loads and backends run. */
  others(command: readonly [string, ...string[]]): readonly [string, ...string[]]
  /** For the report. */
  readonly layout: string
}

const on =
  (taskset: string, list: string): Cores['contender'] =>
  (command) => [taskset, '-c', list, ...command]

const ANYWHERE: Cores = {
  contender: (command) => command,
  others: (command) => command,
  layout: 'not pinned',
}

/** @returns cores shared by all if they cannot be told apart here */
export const coresFor = (pin: boolean): Cores => {
  const taskset = findTool('taskset')
  const count = availableParallelism()
  if (!pin || taskset === null || count < 2) return ANYWHERE
  const last = count - 1
  const rest = last === 1 ? '0' : `0-${last - 1}`
  return {
    contender: on(taskset, String(last)),
    others: on(taskset, rest),
    layout: `contender on core ${last}, load and backend on ${rest}`,
  }
}
