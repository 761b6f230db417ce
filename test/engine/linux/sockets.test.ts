import { describe, expect, test } from 'vitest'
import { AF_INET } from '../../../src/engine/linux/ffi/abi.js'
import { failed, type SocketFd } from '../../../src/engine/linux/ffi/descriptors.js'
import { inet6Address, inetAddress, isLoopback, unixAddress } from '../../../src/engine/linux/ffi/layout.js'
import { Libc } from '../../../src/engine/linux/ffi/libc.js'
import { setTcpOptions } from '../../../src/engine/linux/sockets.js'

const withSocket = (use: (libc: Libc, fd: SocketFd) => void): void => {
  const libc = new Libc()
  const fd = libc.socket(AF_INET)
  if (failed(fd)) throw new Error(`socket: ${fd}`)
  try {
    use(libc, fd)
  } finally {
    libc.close(fd)
  }
}

describe('congestion control', () => {
  test('is what was set', () => {
    withSocket((libc, fd) => {
      expect(libc.congestionControl(fd)).toMatch(/^\w+$/)
      expect(libc.setCongestionControl(fd, 'reno')).toBe(0)
      expect(libc.congestionControl(fd)).toBe('reno')
    })
  })

  test('does not pace what stays on this machine', () => {
    withSocket((libc, fd) => {
      const before = libc.congestionControl(fd)
      setTcpOptions(libc, fd, inetAddress([127, 0, 0, 1], 80), {})
      expect(libc.congestionControl(fd)).toBe(before?.startsWith('bbr') ? 'reno' : before)
    })
  })

  test('is left to the system for everybody else', () => {
    withSocket((libc, fd) => {
      const before = libc.congestionControl(fd)
      setTcpOptions(libc, fd, inetAddress([10, 0, 0, 1], 80), {})
      expect(libc.congestionControl(fd)).toBe(before)
    })
  })
})

describe('the loopback', () => {
  const v6 = (...groups: number[]) => inet6Address(groups, 80, 0)

  test.each([
    ['127.0.0.1', inetAddress([127, 0, 0, 1], 80)],
    ['127.9.9.9', inetAddress([127, 9, 9, 9], 80)],
    ['::1', v6(0, 0, 0, 0, 0, 0, 0, 1)],
    ['::ffff:127.0.0.1', v6(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1)],
  ])('is %s', (_, address) => {
    expect(isLoopback(address)).toBe(true)
  })

  test.each([
    ['126.0.0.1', inetAddress([126, 0, 0, 1], 80)],
    ['0.0.0.0', inetAddress([0, 0, 0, 0], 80)],
    ['::', v6(0, 0, 0, 0, 0, 0, 0, 0)],
    ['::2', v6(0, 0, 0, 0, 0, 0, 0, 2)],
    ['7f00::1', v6(0x7f00, 0, 0, 0, 0, 0, 0, 1)],
    ['::ffff:10.0.0.1', v6(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1)],
    ['a unix socket', unixAddress(new TextEncoder().encode('/run/a'))],
  ])('is not %s', (_, address) => {
    expect(isLoopback(address)).toBe(false)
  })
})
