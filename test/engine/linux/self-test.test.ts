import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Libc } from '../../../src/engine/linux/ffi/libc.js'
import { checkKernel } from '../../../src/engine/linux/self-test.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const CODE = join(import.meta.dirname, 'refusing.mjs')

/** By the tables of the kernel: x86-64 has its own, arm64 the generic one. Node itself cannot do without the other two. */
const CALLS =
  process.arch === 'x64'
    ? { socketpair: 53, epoll_create1: 291, pipe2: 293, splice: 275 }
    : { socketpair: 199, epoll_create1: 20, pipe2: 59, splice: 76 }

describe.skipIf(!isLinux)(`the self-test of the linux engine${onLinux}`, () => {
  it.each(Object.entries(CALLS))(
    'tells when a sandbox refuses %s, and another engine is taken',
    (call, number) => {
      const told = JSON.parse(execFileSync(process.execPath, [CODE, String(number)], { encoding: 'utf8' }))
      const why = `the linux engine cannot run here: ${call} fails here (ENOSYS)`
      expect(told).toEqual({ linux: `engine_unavailable: ${why}`, auto: 'portable', reason: why, left: 0 })
    },
  )

  it('takes well under a millisecond', () => {
    const libc = new Libc()
    const times = Array.from({ length: 50 }, () => {
      const began = performance.now()
      checkKernel(libc)
      return performance.now() - began
    })
    expect(Math.min(...times)).toBeLessThan(0.5)
  })
})
