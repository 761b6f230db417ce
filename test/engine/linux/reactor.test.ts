import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AF_UNIX, EPOLLET, EPOLLIN } from '../../../src/engine/linux/ffi/abi.js'
import type { SocketFd } from '../../../src/engine/linux/ffi/descriptors.js'
import { Reactor } from '../../../src/engine/linux/reactor.js'
import { eventually } from '../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const EVENTS = EPOLLIN | EPOLLET
const BYTE = Uint8Array.of(1)

describe.skipIf(!isLinux)(`the reactor${onLinux}`, () => {
  let reactor: Reactor
  const open = new Set<SocketFd>()

  const pair = (): readonly [SocketFd, SocketFd] => {
    const made = reactor.libc.socketPair(AF_UNIX)
    if (typeof made === 'number') throw new Error(`socketpair: ${made}`)
    for (const fd of made) open.add(fd)
    return made
  }

  const close = (fd: SocketFd): void => {
    open.delete(fd)
    reactor.close(fd)
  }

  beforeEach(() => {
    reactor = new Reactor(1024, null)
  })

  afterEach(() => {
    for (const fd of open) close(fd)
    reactor.shutDown()
  })

  it('keeps what a descriptor has to tell from the next one with its number, in the same batch too', async () => {
    const [one, oneFar] = pair()
    const [two, twoFar] = pair()
    const told: string[] = []
    let next: SocketFd | undefined
    reactor.watch(one, { ready: closeTwo }, EVENTS)
    reactor.watch(two, { ready: () => void told.push('two') }, EVENTS)
    // Both tell in one batch: nobody looks before this turn of the loop is over.
    reactor.libc.send(oneFar, BYTE, 1)
    reactor.libc.send(twoFar, BYTE, 1)
    function closeTwo(): void {
      told.push('one')
      close(two)
      const [fresh, freshFar] = pair()
      next = fresh === two ? fresh : freshFar
      reactor.watch(next, { ready: () => void told.push('next') }, EVENTS)
    }
    await eventually('the first was told', () => told.length > 0)
    // Another exchange through the epoll set: what was in that batch has been handled.
    const [last, lastFar] = pair()
    reactor.watch(last, { ready: () => void told.push('last') }, EVENTS)
    reactor.libc.send(lastFar, BYTE, 1)
    await eventually('the last was told', () => told.includes('last'))
    expect(next).toBe(two)
    expect(told).toEqual(['one', 'last'])
  })

  it('goes on with the others when one throws, and lets Node have the error as uncaught', async () => {
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    try {
      const told: string[] = []
      const thrown = new Error('from a callback')
      const [one, oneFar] = pair()
      const [two, twoFar] = pair()
      const fail = (): void => {
        told.push('one')
        throw thrown
      }
      reactor.watch(one, { ready: fail }, EVENTS)
      reactor.watch(two, { ready: () => void told.push('two') }, EVENTS)
      reactor.libc.send(oneFar, BYTE, 1)
      reactor.libc.send(twoFar, BYTE, 1)
      await eventually('the error is known', () => uncaught.length > 0)
      expect(uncaught).toEqual([thrown])
      expect(told).toEqual(['one', 'two'])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  it('can be shut down from inside its own turn', async () => {
    const [one, far] = pair()
    let turns = 0
    const stop = (): void => {
      turns++
      close(one)
      reactor.shutDown()
    }
    reactor.watch(one, { ready: stop }, EVENTS)
    reactor.libc.send(far, BYTE, 1)
    await eventually('it had its turn', () => turns === 1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(turns).toBe(1)
  })
})
