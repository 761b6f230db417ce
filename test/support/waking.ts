/** What a gateway that wakes a service says of it, and what the service notes of itself (programs/woken.mjs). */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, type Scope } from './scope.js'
import { lastingPort } from './sockets.js'
import type { Gateway, LogLine } from './tidegate.js'

export const isStarting = ({ msg }: LogLine): boolean => msg === 'starting the service'
export const isReady = ({ msg }: LogLine): boolean => msg === 'the service is ready'
export const hasStopped = ({ msg }: LogLine): boolean => msg === 'the service has stopped'

/** Resolves once it has been stopped for the `count`th time. */
export const stopped = (gateway: Gateway, count = 1): Promise<LogLine[]> =>
  gateway.lines('the service has stopped', hasStopped, count)

export const startsOf = ({ log }: Gateway): number => log.filter(isStarting).length

/** Not a zombie either, which has only not been looked after yet. */
export const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

export interface NotedService {
  readonly port: number
  readonly command: readonly [string, ...string[]]
  /** Each process that ever began, oldest first. */
  pids(): readonly number[]
  /** Those that run still. */
  alive(): readonly number[]
  /** Lines of processes that found another one running. */
  overlaps(): readonly string[]
  /** Resolves when none runs. */
  allGone(deadlineMs?: number): Promise<unknown>
}

/** Greets with `pid N`, then echoes; it listens `delayMs` after its start. */
export const notedService = async (scope: Scope, delayMs = 0): Promise<NotedService> => {
  const directory = scope.tempDir()
  const port = await lastingPort()
  const program = join(import.meta.dirname, 'programs/woken.mjs')
  const pids = (): readonly number[] =>
    readdirSync(directory)
      .flatMap((name) => /^began-(\d+)$/.exec(name)?.[1] ?? [])
      .map((pid) => ({ pid: Number(pid), at: statSync(join(directory, `began-${pid}`)).mtimeMs }))
      .sort((a, b) => a.at - b.at)
      .map(({ pid }) => pid)
  const alive = (): readonly number[] => pids().filter(isAlive)
  const overlaps = (): readonly string[] => {
    const file = join(directory, 'overlaps')
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  }
  const allGone = (deadlineMs?: number) =>
    eventually('no process of the service to be left', () => alive().length === 0, deadlineMs)
  scope.defer(() => {
    for (const pid of alive()) process.kill(pid, 'SIGKILL')
  })
  return {
    port,
    command: [process.execPath, program, String(port), String(delayMs), directory],
    pids,
    alive,
    overlaps,
    allGone,
  }
}
