import { describe, expect, it } from 'vitest'
import { type AnyFd, asListenFd } from '../../../src/engine/linux/ffi/descriptors.js'
import { Headroom } from '../../../src/engine/linux/headroom.js'

const EMFILE = -24
const LISTENER = asListenFd(3)

/** A process that may have `limit` descriptors open, and in which the numbers below `taken` are. */
class FakeProcess {
  limit: number
  now = 0
  readonly open: Set<number>

  constructor({ limit, taken }: { readonly limit: number; readonly taken: number }) {
    this.limit = limit
    this.open = new Set(Array.from({ length: taken }, (_, fd) => fd))
  }

  /** The lowest number that is free. */
  take(lowest = 0): number {
    let fd = lowest
    while (this.open.has(fd)) fd++
    if (fd >= this.limit) return EMFILE
    this.open.add(fd)
    return fd
  }

  readonly libc = {
    descriptorLimit: () => this.limit,
    // It gives a descriptor of the kind it is given.
    duplicate: <Fd extends AnyFd>(_fd: Fd, lowest?: number) => this.take(lowest) as Fd,
    close: (fd: AnyFd) => void this.open.delete(fd),
  }
}

const processWith = (start: { readonly limit: number; readonly taken: number }) => {
  const process = new FakeProcess(start)
  return { process, headroom: new Headroom(process) }
}

/** A listener that accepts while there is room, each time as `LinuxListening` does. Numbers of client and upstream. */
const acceptAll = (process: FakeProcess, headroom: Headroom): readonly (readonly [number, number])[] => {
  const pairs: (readonly [number, number])[] = []
  while (headroom.hasRoom(LISTENER, 2)) {
    const [client, upstream] = [process.take(), process.take()]
    for (const fd of [client, upstream]) headroom.saw(asListenFd(fd))
    pairs.push([client, upstream])
  }
  return pairs
}

describe('headroom', () => {
  it.each([
    { limit: 1024, line: 992 },
    { limit: 256, line: 224 },
    { limit: 64, line: 56 },
  ])('of $limit descriptors keeps those from $line on in reserve', ({ limit, line }) => {
    const { headroom } = processWith({ limit, taken: line - 5 })
    expect(headroom.hasRoom(LISTENER, 5)).toBe(true)
    expect(headroom.hasRoom(LISTENER, 6)).toBe(false)
  })

  it('has room for a client only if there is room for its upstream, too, and leaves nothing open to find out', () => {
    for (const { taken, room } of [
      { taken: 222, room: true },
      { taken: 223, room: false },
      { taken: 256, room: false },
    ]) {
      const { headroom, process } = processWith({ limit: 256, taken })
      expect(headroom.hasRoom(LISTENER, 2)).toBe(room)
      expect(process.open.size).toBe(taken)
    }
  })

  it('lets in one client for each that leaves, whichever numbers become free', () => {
    const { headroom, process } = processWith({ limit: 256, taken: 20 })
    const pairs = [...acceptAll(process, headroom)]
    expect(process.open.size).toBe(224)
    for (let n = 0; n < 300; n++) {
      const [leaving] = pairs.splice((n * 37) % pairs.length, 1)
      for (const fd of leaving ?? []) process.open.delete(fd)
      const next = acceptAll(process, headroom)
      expect(next).toHaveLength(1)
      pairs.push(...next)
      expect(process.open.size).toBe(224)
    }
  })

  it('gives back what others took of the reserve before it lets anybody in', () => {
    const { headroom, process } = processWith({ limit: 256, taken: 20 })
    const pairs = [...acceptAll(process, headroom)]
    // Somebody's who does not ask.
    process.take()
    process.take()
    const leave = (): void => {
      for (const fd of pairs.shift() ?? []) process.open.delete(fd)
    }
    leave()
    expect(acceptAll(process, headroom)).toHaveLength(0)
    leave()
    expect(acceptAll(process, headroom)).toHaveLength(1)
    expect(process.open.size).toBe(224)
  })

  it('says so when there is none left at all', () => {
    const { headroom, process } = processWith({ limit: 64, taken: 20 })
    acceptAll(process, headroom)
    while (process.take() !== EMFILE);
    process.open.delete(30)
    process.open.delete(31)
    expect(headroom.hasRoom(LISTENER, 2)).toBe(false)
    expect(process.open.size).toBe(62)
  })

  it('does not try thousands of descriptors to find out whether thousands can be opened', () => {
    const { headroom, process } = processWith({ limit: 10_000, taken: 20 })
    let tried = 0
    const { close } = process.libc
    process.libc.close = (fd) => {
      tried++
      close(fd)
    }
    expect(headroom.hasRoom(LISTENER, 9000)).toBe(true)
    expect(headroom.hasRoom(LISTENER, 9990)).toBe(false)
    expect(tried).toBeLessThan(600)
  })

  it('knows of the numbers that other threads have seen: holes between those are not room behind them', () => {
    const process = new FakeProcess({ limit: 256, taken: 200 })
    const seen = new Int32Array(1)
    const [one, other] = [new Headroom(process, seen), new Headroom(process, seen)]
    for (let fd = process.take(); fd < 223; fd = process.take());
    one.saw(asListenFd(223))
    // Others have those from 40 on, and ten leave.
    for (let fd = 30; fd < 40; fd++) process.open.delete(fd)
    process.take()
    expect(other.hasRoom(LISTENER, 9)).toBe(true)
    expect(other.hasRoom(LISTENER, 10)).toBe(false)
  })

  it('does not trust the highest number seen when it is near the line: somebody may have opened a file since', () => {
    const { headroom, process } = processWith({ limit: 256, taken: 210 })
    headroom.saw(asListenFd(209))
    for (let n = 0; n < 13; n++) process.take()
    expect(headroom.hasRoom(LISTENER, 1)).toBe(true)
    expect(headroom.hasRoom(LISTENER, 2)).toBe(false)
  })

  it('has room for thousands again after a peak that is over', () => {
    const { headroom } = processWith({ limit: 10_000, taken: 20 })
    headroom.saw(asListenFd(9999))
    expect(headroom.hasRoom(LISTENER, 300)).toBe(true)
    expect(headroom.hasRoom(LISTENER, 9000)).toBe(true)
    expect(headroom.hasRoom(LISTENER, 9990)).toBe(false)
  })

  it('keeps what is planned for later beside the reserve, from one moment to the next', () => {
    const { headroom } = processWith({ limit: 1024, taken: 891 })
    expect(headroom.hasRoom(LISTENER, 101)).toBe(true)
    headroom.keep(100)
    expect(headroom.hasRoom(LISTENER, 1)).toBe(true)
    expect(headroom.hasRoom(LISTENER, 2)).toBe(false)
    headroom.keep(5000)
    expect(headroom.hasRoom(LISTENER, 0)).toBe(false)
  })

  it('opens nothing to find out whether there is room while few are taken', () => {
    const { headroom, process } = processWith({ limit: 1024, taken: 300 })
    process.libc.duplicate = () => {
      throw new Error('opened')
    }
    headroom.saw(asListenFd(299))
    expect(headroom.hasRoom(LISTENER, 300)).toBe(true)
  })

  it('holds no more than one open at a time to find out: others dial meanwhile, with what was promised to them', () => {
    const { headroom, process } = processWith({ limit: 256, taken: 150 })
    let most = 0
    const { close } = process.libc
    process.libc.close = (fd) => {
      most = Math.max(most, process.open.size)
      close(fd)
    }
    expect(headroom.hasRoom(LISTENER, 60)).toBe(true)
    expect(most).toBe(151)
  })

  it('notices within a tenth of a second that the limit was changed', () => {
    const { headroom, process } = processWith({ limit: 1024, taken: 101 })
    headroom.saw(asListenFd(100))
    expect(headroom.hasRoom(LISTENER, 2)).toBe(true)
    process.limit = 64
    process.now = 101
    expect(headroom.hasRoom(LISTENER, 2)).toBe(false)
  })
})
