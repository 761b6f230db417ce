/** Whether a process that has nothing to do does nothing. */

import { expect } from 'vitest'
import { cpuMs } from './proc.js'

/** How long it is watched at a time, and how much of a processor it may use: 10 %. */
const WATCHED_MS = 1000
const MOST_CPU_MS = WATCHED_MS / 10
const LOOKS = 5

/** Who spins, spins all the time; what collecting garbage or compiling takes is over after a look or two. */
export const expectIdling = async (pid: number, when: string): Promise<void> => {
  const used: number[] = []
  while (used.length < LOOKS && !used.some((ms) => ms < MOST_CPU_MS)) {
    const before = cpuMs(pid)
    // Not a wait for something to happen: what is measured is a rate.
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS))
    used.push(cpuMs(pid) - before)
  }
  expect(Math.min(...used), `ms of CPU ${when}, the least of ${used.join(', ')}`).toBeLessThan(MOST_CPU_MS)
}
