/** What the machine under the suite can tell. */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

const FD_DIRECTORY = '/proc/self/fd'

const linkOf = (fd: string): string => {
  try {
    return readlinkSync(`${FD_DIRECTORY}/${fd}`)
  } catch {
    // Closed between listing and looking.
    return ''
  }
}

/** Sockets and pipes this process has open; null where there is no /proc to ask. */
export const openSockets = (): number | null =>
  existsSync(FD_DIRECTORY)
    ? readdirSync(FD_DIRECTORY).filter((fd) => /^(socket|pipe):/.test(linkOf(fd))).length
    : null

export const hasIpv6 = (): boolean =>
  Object.values(networkInterfaces()).some((interfaces) => interfaces?.some((one) => one.address === '::1'))

export const hasUnixSockets = (): boolean => process.platform !== 'win32'

/** The kernel's timer of a connection between two loopback ports; null where there is no /proc/net to ask. */
export const hasKeepAliveTimer = (localPort: number, remotePort: number): boolean | null => {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  if (!existsSync('/proc/net/tcp')) return null
  const row = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(
      ([, local = '', remote = '']) =>
        local.endsWith(`:${hex(localPort)}`) && remote.endsWith(`:${hex(remotePort)}`),
    )
  // Column 6 is `tr:tm->when`; tr 02 is the keep-alive timer (proc_net_tcp.txt of the kernel's documentation).
  return row?.[5]?.startsWith('02:') ?? null
}
