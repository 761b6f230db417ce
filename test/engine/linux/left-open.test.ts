import { fstatSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AF_UNIX } from '../../../src/engine/linux/ffi/abi.js'
import { createDescriptorLedger } from '../../../src/engine/linux/ffi/ledger.js'
import { Libc } from '../../../src/engine/linux/ffi/libc.js'
import { closeDescriptorsOf } from '../../../src/engine/linux/left-open.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

const pairOf = (libc: Libc) => {
  const pair = libc.socketPair(AF_UNIX)
  if (typeof pair === 'number') throw new Error(`socketpair: ${pair}`)
  return pair
}

const pipeOf = (libc: Libc) => {
  const pipe = libc.pipe()
  if (typeof pipe === 'number') throw new Error(`pipe2: ${pipe}`)
  return pipe
}

describe.skipIf(!isLinux)(`the ledger of descriptors${onLinux}`, () => {
  it('has everything that was opened by its owner and is still open', () => {
    const ledger = createDescriptorLedger()
    const libc = new Libc({ ledger, owner: 3 })
    const pair = pairOf(libc)
    const pipe = pipeOf(libc)
    const epoll = libc.epoll()
    const left = [...pair, pipe.entry, pipe.exit, epoll]
    const closed = pipeOf(libc)
    for (const fd of [closed.entry, closed.exit]) libc.close(fd)
    expect(left.every(isOpen)).toBe(true)
    expect(closeDescriptorsOf(ledger, 3)).toBe(5)
    expect(left.some(isOpen)).toBe(false)
    expect(closeDescriptorsOf(ledger, 3)).toBe(0)
  })

  it('spares what others own, what has been left to them, and what Node closes', () => {
    const ledger = createDescriptorLedger()
    const mine = new Libc({ ledger, owner: 1 })
    const theirs = new Libc({ ledger, owner: 2 })
    const main = new Libc({ ledger, owner: 0 })
    const [moved, forNode] = pairOf(mine)
    const others = pairOf(theirs)
    mine.leaveToMain(moved)
    mine.leaveToNode(forNode)
    expect(closeDescriptorsOf(ledger, 1)).toBe(0)
    expect([moved, forNode, ...others].every(isOpen)).toBe(true)
    theirs.own(forNode)
    expect(closeDescriptorsOf(ledger, 2)).toBe(3)
    main.own(moved)
    expect(closeDescriptorsOf(ledger, 0)).toBe(1)
  })

  it('costs no memory for numbers that are not in use', () => {
    const before = process.memoryUsage.rss()
    const ledgers = Array.from({ length: 16 }, createDescriptorLedger)
    expect(ledgers[0]?.marks.byteLength).toBe(2 * 1024 * 1024)
    expect(process.memoryUsage.rss() - before).toBeLessThan(4 * 1024 * 1024)
  })
})
