import { describe, expect, it } from 'vitest'
import { asListenFd } from '../../../src/engine/linux/ffi/descriptors.js'
import { Headroom } from '../../../src/engine/linux/headroom.js'

const EMFILE = -24
const LISTENER = asListenFd(3)

/** A process that may have `limit` descriptors open, and in which the numbers below `taken` are. */
const processWith = (process: { limit: number; taken: number }) => {
  const closed: number[] = []
  const next = (): number => (process.taken < process.limit ? process.taken : EMFILE)
  const source = {
    now: 0,
    libc: {
      descriptorLimit: () => process.limit,
      duplicate: () => asListenFd(next()),
      close: (fd: number) => void closed.push(fd),
    },
  }
  return { source, closed, headroom: new Headroom(source) }
}

describe('headroom', () => {
  it.each([
    { limit: 1024, line: 992 },
    { limit: 256, line: 224 },
    { limit: 64, line: 56 },
  ])('of $limit descriptors keeps those from $line on in reserve', ({ limit, line }) => {
    const { headroom } = processWith({ limit, taken: 0 })
    expect(headroom.isShort(asListenFd(line - 1), 0)).toBe(false)
    expect(headroom.isShort(asListenFd(line), 0)).toBe(true)
  })

  it('counts what is promised as taken', () => {
    const { headroom } = processWith({ limit: 256, taken: 0 })
    expect(headroom.isShort(asListenFd(200), 23)).toBe(false)
    expect(headroom.isShort(asListenFd(200), 24)).toBe(true)
  })

  it('has room for a client only if there is room for its upstream, too, and leaves nothing open to find out', () => {
    const process = { limit: 256, taken: 222 }
    const { headroom, closed } = processWith(process)
    expect(headroom.hasRoom(LISTENER, 0)).toBe(true)
    process.taken = 223
    expect(headroom.hasRoom(LISTENER, 0)).toBe(false)
    expect(closed).toEqual([222, 223])
    process.taken = 256
    expect(headroom.hasRoom(LISTENER, 0)).toBe(false)
    expect(closed).toEqual([222, 223])
  })

  it('notices within a tenth of a second that the limit was changed', () => {
    const process = { limit: 1024, taken: 0 }
    const { headroom, source } = processWith(process)
    expect(headroom.isShort(asListenFd(100), 0)).toBe(false)
    process.limit = 64
    source.now = 101
    expect(headroom.isShort(asListenFd(100), 0)).toBe(true)
  })
})
