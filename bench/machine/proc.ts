/**
 * What the kernel says of processes and ports, from /proc (proc(5)).
 *
 * - tick: the unit of CPU times there, 10 ms on every Linux (USER_HZ)
 * - group: a process group; each contender is one, with all it forks
 */

import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

export interface ProcessStat {
  readonly pid: number
  readonly group: number
  /** Of all its threads, and of the children it has waited for: utime + stime + cutime + cstime, in seconds. */
  readonly cpuSeconds: number
}

/** Field numbers of /proc/PID/stat, counted from the one behind the name, which may itself hold blanks and brackets. */
const FIELD = { group: 2, utime: 11, stime: 12, cutime: 13, cstime: 14 } as const

/** Reads a line of /proc/PID/stat; null if it is not one. */
export const parseStat = (line: string): ProcessStat | null => {
  const nameEnd = line.lastIndexOf(')')
  const fields = line
    .slice(nameEnd + 2)
    .split(' ')
    .map(Number)
  const field = (name: keyof typeof FIELD): number => fields[FIELD[name]] ?? Number.NaN
  const ticks = field('utime') + field('stime') + field('cutime') + field('cstime')
  const stat = {
    pid: Number.parseInt(line, 10),
    group: field('group'),
    cpuSeconds: ticks / TICKS_PER_SECOND,
  }
  return nameEnd < 0 || Object.values(stat).some(Number.isNaN) ? null : stat
}

/** The text of a file in /proc, or null if its process is gone. */
const readProc = (path: string): string | null => {
  try {
    return readFileSync(`/proc/${path}`, 'latin1')
  } catch {
    return null
  }
}

const groupStats = (group: number): readonly ProcessStat[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => parseStat(readProc(`${name}/stat`) ?? ''))
    .filter((stat) => stat !== null && stat.group === group) as ProcessStat[]

/** CPU time that a group has used so far, in seconds. */
export const groupCpuSeconds = (group: number): number =>
  groupStats(group).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)

/** The value in KiB of a line like `Pss:      1234 kB`, or 0 if there is none. */
export const parseKiB = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)

/**
 * Resident memory of a group in KiB, what its processes share counted once. For a group of one it grows as VmRSS does,
 * which is taken where the kernel does not tell.
 */
export const groupResidentKiB = (group: number): number =>
  groupStats(group).reduce((sum, { pid }) => {
    const shares = readProc(`${pid}/smaps_rollup`)
    return (
      sum + (shares === null ? parseKiB(readProc(`${pid}/status`) ?? '', 'VmRSS') : parseKiB(shares, 'Pss'))
    )
  }, 0)

const LISTEN = '0A'

/** Whether a table like /proc/net/tcp has a socket that listens on this port. */
export const isListed = (table: string, port: number): boolean => {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/)
    return state === LISTEN && (local?.endsWith(ending) ?? false)
  })
}

/** Whether somebody listens on this port, in the network that process `pid` is in. Asks the kernel: to connect would already be traffic. */
export const isListening = (pid: number, port: number): boolean =>
  ['tcp', 'tcp6'].some((table) => isListed(readProc(`${pid}/net/${table}`) ?? '', port))

/** How many descriptors a process may have open: the soft limit, which programs started from here inherit. */
export const parseDescriptorLimit = (limits: string): number => {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? 1024)
}

export const descriptorLimit = (): number => parseDescriptorLimit(readProc('self/limits') ?? '')
