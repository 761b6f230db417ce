/** What the kernel knows of a process (Linux only). */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Linux counts a process's time in hundredths of a second, whatever the kernel's own clock. */
const MS_PER_TICK = 10

/** CPU time that all its threads have used, ms: fields 14 and 15 of `/proc/PID/stat`, counted behind the name. */
export const cpuMs = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
}

/** How many descriptors it has open. `below`: not those of a higher number, which whoever runs the tests may have left it. */
export const descriptorsOf = (pid: number, below = Number.POSITIVE_INFINITY): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) < below).length

/** What it has in memory now, bytes. */
export const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024

/** What its descriptors are: paths, `socket:[…]`, `pipe:[…]`, … */
export const openFilesOf = (pid: number): readonly string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      // Closed since it was listed.
      return []
    }
  })

/** Connections to a port of this machine that neither side has ended. More than `limit` must be seen again to count. */
export const establishedAt = (port: number, limit: number): number => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const count = (): number =>
    readFileSync('/proc/net/tcp', 'latin1')
      .split('\n')
      .filter((line) => {
        const [, local = '', , state] = line.trim().split(/\s+/)
        return local.endsWith(suffix) && state === '01'
      }).length
  let seen = count()
  // The table is not read at one go: what ends and what begins meanwhile can both be in it.
  for (let tries = 0; tries < 3 && seen > limit; tries++) seen = Math.min(seen, count())
  return seen
}

/** Whether a process is there and not only waiting to be forgotten by its parent. */
export const runsStill = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z'
  } catch {
    return false
  }
}
