/**
 * Which cores run what.
 *
 * - free: the kernel moves everything as it likes
 * - apart: a contender has the last core to itself, load and backend have the others
 * - together: contender, load and backend share one core
 */

import { availableParallelism } from 'node:os'
import { findTool } from './tools.js'

export type Layout = 'apart' | 'free' | 'together'

export type Command = readonly [string, ...string[]]

export interface Cores {
  /** The command, made to run where contenders run. */
  contender(command: Command): Command
  /** The command, made to run where loads and backends run. */
  others(command: Command): Command
}

const on =
  (taskset: string, list: string) =>
  (command: Command): Command => [taskset, '-c', list, ...command]

const FREE: Cores = { contender: (command) => command, others: (command) => command }

/** Whether layouts other than `free` can be had here. */
export const canPin = (): boolean => findTool('taskset') !== null && availableParallelism() > 1

/** @returns as for `free` where nothing can be pinned */
export const coresFor = (layout: Layout): Cores => {
  const taskset = findTool('taskset')
  if (layout === 'free' || taskset === null || !canPin()) return FREE
  const last = availableParallelism() - 1
  const contender = on(taskset, String(last))
  if (layout === 'together') return { contender, others: contender }
  return { contender, others: on(taskset, last === 1 ? '0' : `0-${last - 1}`) }
}
