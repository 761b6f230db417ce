import { describe, expect, it } from 'vitest'
import {
  groupCpuSeconds,
  groupResidentKiB,
  isListed,
  parseDescriptorLimit,
  parseKiB,
  parseStat,
} from '../../../bench/machine/proc.js'

describe('the line of /proc/PID/stat', () => {
  const line = '4711 (haproxy) S 12 4700 12 0 -1 4194560 900 0 1 0 250 175 30 20 20 0 1 0 99 1 2'

  it('gives the process group and the CPU time, with that of the children it has waited for', () => {
    expect(parseStat(line)).toEqual({ pid: 4711, group: 4700, cpuSeconds: 4.75 })
  })

  it('is read right when the name holds blanks, brackets and digits', () => {
    expect(parseStat(line.replace('(haproxy)', '(a) R 1 2) (b 3)'))).toEqual({
      pid: 4711,
      group: 4700,
      cpuSeconds: 4.75,
    })
  })

  it('is null when the process is gone or the line is cut', () => {
    expect(parseStat('')).toBe(null)
    expect(parseStat('4711 (haproxy) S 12 4700')).toBe(null)
  })
})

describe('the files of /proc', () => {
  it('give a size by its name', () => {
    const text = 'Rss:   9000 kB\nPss:                1234 kB\nPss_Dirty:   800 kB\n'
    expect(parseKiB(text, 'Pss')).toBe(1234)
    expect(parseKiB(text, 'Swap')).toBe(0)
  })

  it('tell a listening port from one that is only in use', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000
`
    expect(isListed(table, 8080)).toBe(true)
    expect(isListed(table, 8081)).toBe(false)
    expect(isListed(table, 80)).toBe(false)
  })

  it('give the limit of descriptors', () => {
    expect(
      parseDescriptorLimit('Max open files            1024                 4096                 files'),
    ).toBe(1024)
    expect(parseDescriptorLimit('Max open files            unlimited   unlimited   files')).toBe(
      Number.POSITIVE_INFINITY,
    )
  })
})

describe.skipIf(process.platform !== 'linux')('a process group of this machine', () => {
  const ownGroup = async (): Promise<number> => {
    const { readFile } = await import('node:fs/promises')
    return parseStat(await readFile('/proc/self/stat', 'latin1'))!.group
  }

  it('has used CPU time and holds memory', async () => {
    const group = await ownGroup()
    expect(groupCpuSeconds(group)).toBeGreaterThan(0)
    expect(groupResidentKiB(group)).toBeGreaterThan(1000)
  })

  it('has neither if there is no such group', () => {
    expect(groupCpuSeconds(2 ** 30)).toBe(0)
    expect(groupResidentKiB(2 ** 30)).toBe(0)
  })
})
