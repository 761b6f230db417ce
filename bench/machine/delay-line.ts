/**
 * Usage: node delay-line.js IP HERE THERE PREFIX MILLISECONDS, as root in a network namespace of its own; IP is the program.
 * Gives the namespace its loopback and a network in which each packet to THERE comes back after the delay as one from THERE to
 * HERE. So a service on HERE is reached through THERE, and every packet takes the delay each way: SYN, data and FIN alike.
 * Prints `ready`, and goes on until it is ended.
 *
 * The kernel's own delay (tc-netem(8)) is missing from many kernels of virtual machines and containers; a TUN device
 * (Documentation/networking/tuntap.rst) seldom is.
 */

import { execFileSync } from 'node:child_process'
import { openSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'

const DEVICE = 'far'

/** From <linux/if_tun.h>; the same on x86-64 and arm64. */
const TUNSETIFF = 0x400454ca
/** Whole IP packets, nothing before them: IFF_TUN | IFF_NO_PI. */
const TUN_FLAGS = 0x0001 | 0x1000
/** struct ifreq: the name, then the flags. */
const IFREQ = { size: 40, flags: 16 } as const
/** struct pollfd: int fd, short events, short revents. */
const POLLFD = { size: 8, events: 4 } as const
const POLLIN = 1

const NANOSECONDS_PER_MS = 1_000_000n
const NANOSECONDS_PER_SECOND = 1_000_000_000n

const IP_VERSION_4 = 4
/** Of an IPv4 header (RFC 791, 3.1). */
const SOURCE = 12
const DESTINATION = 16
const ADDRESS_LENGTH = 4
/** More than the device's packets have. */
const LARGEST_PACKET = 2048

interface Held {
  readonly packet: Buffer
  /** On the clock of process.hrtime. */
  readonly dueAt: bigint
}

const fail = (why: string): never => {
  writeSync(2, `${why}\n`)
  process.exit(1)
}

const loadKoffi = (): typeof Koffi => {
  try {
    return createRequire(import.meta.url)('koffi')
  } catch {
    return fail('koffi, an optional dependency, does not load')
  }
}

const koffi = loadKoffi()
const libc = koffi.load(null)
const ioctl = libc.func('int ioctl(int fd, unsigned long request, ...)')
const ppoll = libc.func('int ppoll(void *fds, unsigned long count, void *timeout, void *mask)')

const openDevice = (): number => {
  const fd = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(IFREQ.size)
  request.write(DEVICE)
  request.writeUInt16LE(TUN_FLAGS, IFREQ.flags)
  if (ioctl(fd, TUNSETIFF, 'void *', request) < 0) fail(`a TUN device cannot be made: error ${koffi.errno()}`)
  return fd
}

const address = (text: string): Buffer => Buffer.from(text.split('.').map(Number))

/** As it would come from where it was sent to. The sums that check it stay right: it has the same two addresses. */
const turnRound = (packet: Buffer): Buffer => {
  const turned = Buffer.from(packet)
  packet.copy(turned, SOURCE, DESTINATION, DESTINATION + ADDRESS_LENGTH)
  packet.copy(turned, DESTINATION, SOURCE, SOURCE + ADDRESS_LENGTH)
  return turned
}

/** Never returns. It waits in the kernel, whose timer is exact to some 0.1 ms, where Node's are to 1 ms. */
const delayAll = (fd: number, there: Buffer, delay: bigint): never => {
  const held: Held[] = []
  const poll = Buffer.alloc(POLLFD.size)
  poll.writeInt32LE(fd)
  poll.writeInt16LE(POLLIN, POLLFD.events)
  const timeout = Buffer.alloc(16)
  const buffer = Buffer.alloc(LARGEST_PACKET)

  /** Until a packet comes, or the first of those held is due. */
  const hasPacket = (): boolean => {
    const [first] = held
    if (first !== undefined) {
      const left = first.dueAt - process.hrtime.bigint()
      const wait = left > 0n ? left : 0n
      timeout.writeBigInt64LE(wait / NANOSECONDS_PER_SECOND, 0)
      timeout.writeBigInt64LE(wait % NANOSECONDS_PER_SECOND, 8)
    }
    return ppoll(poll, 1, first === undefined ? null : timeout, null) > 0
  }

  for (;;) {
    if (hasPacket()) {
      const packet = buffer.subarray(0, readSync(fd, buffer))
      const goesThere =
        (packet[0] ?? 0) >> 4 === IP_VERSION_4 &&
        packet.subarray(DESTINATION, DESTINATION + ADDRESS_LENGTH).equals(there)
      if (goesThere) held.push({ packet: turnRound(packet), dueAt: process.hrtime.bigint() + delay })
    }
    const now = process.hrtime.bigint()
    for (let [first] = held; first !== undefined && first.dueAt <= now; [first] = held) {
      writeSync(fd, first.packet)
      held.shift()
    }
  }
}

const [ip, here, there, prefix, milliseconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
try {
  const fd = openDevice()
  execFileSync(ip, ['link', 'set', 'lo', 'up'])
  execFileSync(ip, ['address', 'add', `${here}/${prefix}`, 'dev', DEVICE])
  execFileSync(ip, ['link', 'set', DEVICE, 'up'])
  writeSync(1, 'ready\n')
  delayAll(fd, address(there), BigInt(milliseconds) * NANOSECONDS_PER_MS)
} catch (thrown) {
  fail(thrown instanceof Error ? thrown.message.split('\n', 1).join() : String(thrown))
}
