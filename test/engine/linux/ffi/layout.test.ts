import { describe, expect, it } from 'vitest'
import {
  eventLayout,
  inet6Address,
  inetAddress,
  lingerZero,
  portOf,
  unixAddress,
} from '../../../../src/engine/linux/ffi/layout.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('the layout of', () => {
  it('epoll_event is packed on x86-64 only: 12 bytes there, 16 with the data at 8 elsewhere', () => {
    expect(eventLayout('x64')).toEqual({ stride: 3, fd: 1, generation: 2 })
    expect(eventLayout('arm64')).toEqual({ stride: 4, fd: 2, generation: 3 })
  })

  it('sockaddr_in has the family in host order, port and address in network order', () => {
    const { bytes, length } = inetAddress([127, 0, 0, 1], 0x1f90)
    expect(hex(bytes.subarray(0, length))).toBe(`02001f907f000001${'00'.repeat(8)}`)
    expect(portOf(bytes)).toBe(8080)
  })

  it('sockaddr_in6 has the scope at its end, in host order', () => {
    const { bytes, length } = inet6Address([0xfe80, 0, 0, 0, 0, 0, 0, 1], 53, 2)
    expect(hex(bytes.subarray(0, length))).toBe(`0a00003500000000fe80${'00'.repeat(12)}000102000000`)
  })

  it('sockaddr_un ends with a NUL', () => {
    const { bytes, length } = unixAddress(new TextEncoder().encode('/x'))
    expect(hex(bytes.subarray(0, length))).toBe('01002f7800')
  })

  it('linger is on, for no time', () => {
    expect(hex(lingerZero())).toBe('0100000000000000')
  })
})
