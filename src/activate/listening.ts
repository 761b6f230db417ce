/**
 * Where processes listen, as `/proc` tells (Linux): what a service that is not ready listens at instead, and who holds an address
 * that it wants.
 */

import { open, readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'

const LISTEN = '0A'

/** Little-endian words of four bytes each, as the kernel prints them. */
const bytesOf = (hex: string): readonly number[] => {
  const bytes: number[] = []
  for (let word = 0; word < hex.length; word += 8)
    for (let at = 6; at >= 0; at -= 2) bytes.push(Number.parseInt(hex.slice(word + at, word + at + 2), 16))
  return bytes
}

const hostOf = (hex: string): string => {
  const bytes = bytesOf(hex)
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.every((byte) => byte === 0)) return '[::]'
  if (bytes.slice(0, 15).every((byte) => byte === 0) && bytes[15] === 1) return '[::1]'
  const groups = Array.from({ length: 8 }, (_, n) =>
    (((bytes[2 * n] ?? 0) << 8) | (bytes[2 * n + 1] ?? 0)).toString(16),
  )
  return `[${groups.join(':')}]`
}

const CHUNK_BYTES = 16 * 1024

/**
 * The lines of a table of TCP sockets up to the first that does not listen: the kernel lists those that do first, and the others
 * may be tens of thousands, which takes it seconds.
 */
const listeningLines = async (path: string): Promise<readonly (readonly string[])[]> => {
  const file = await open(path, 'r')
  try {
    const lines: (readonly string[])[] = []
    const chunk = new Uint8Array(CHUNK_BYTES)
    let rest = ''
    let isTitle = true
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null)
      if (bytesRead === 0) return lines
      const whole = (rest + Buffer.from(chunk.subarray(0, bytesRead)).toString('latin1')).split('\n')
      rest = whole.pop() ?? ''
      for (const line of whole) {
        const fields = line.trim().split(/\s+/)
        if (!isTitle && fields[3] !== LISTEN) return lines
        if (!isTitle) lines.push(fields)
        isTitle = false
      }
    }
  } finally {
    await file.close()
  }
}

/** Addresses by the inode of the socket that listens there. */
const listeners = async (): Promise<ReadonlyMap<string, string>> => {
  const places = new Map<string, string>()
  // Not there without IPv6, or not readable in a sandbox: then nothing is known.
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const fields of await listeningLines(table).catch(() => [])) {
      const [host = '', port = ''] = (fields[1] ?? '').split(':')
      if (fields[9] !== undefined) places.set(fields[9], `${hostOf(host)}:${Number.parseInt(port, 16)}`)
    }
  const unix = await readFile('/proc/net/unix', 'utf8').catch(() => '')
  for (const line of unix.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    // 00010000: it accepts connections.
    if (fields[3] === '00010000' && fields[6] !== undefined && fields[7] !== undefined)
      places.set(fields[6], `unix:${fields[7]}`)
  }
  return places
}

const inodesOf = async (pid: number): Promise<readonly string[]> => {
  const directory = `/proc/${pid}/fd`
  const names = await readdir(directory).catch(() => [])
  const links = await Promise.all(names.map((name) => readlink(`${directory}/${name}`).catch(() => '')))
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
}

const processes = async (): Promise<readonly number[]> =>
  (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)

interface Member {
  readonly group: number
  /** It has ended, and its parent has not asked how. */
  readonly isZombie: boolean
}

/** A process may end while it is looked at: null. */
const memberOf = async (pid: number): Promise<Member | null> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group === undefined ? null : { group: Number(group), isZombie: state === 'Z' || state === 'X' }
}

/** Whether anybody of the group still runs, as opposed to waiting that its parent asks how it ended; null: `/proc` does not tell. */
export const isAnyoneRunning = async (group: number): Promise<boolean | null> => {
  const all = process.platform === 'linux' ? await processes() : []
  if (all.length === 0) return null
  return (await Promise.all(all.map(memberOf))).some((each) => each?.group === group && !each.isZombie)
}

/** Where the processes of a group listen; null where `/proc` does not tell. */
export const listeningPlaces = async (group: number): Promise<readonly string[] | null> => {
  if (process.platform !== 'linux') return null
  const [places, all] = await Promise.all([listeners(), processes()])
  if (all.length === 0) return null
  const known = await Promise.all(all.map(memberOf))
  const members = all.filter((_, n) => known[n]?.group === group)
  const inodes = (await Promise.all(members.map(inodesOf))).flat()
  return [...new Set(inodes.flatMap((inode) => places.get(inode) ?? []))].sort()
}

/** Its program's; that of its main thread, which some call something else, where the program may not be seen. */
const nameOf = async (pid: number): Promise<string> => {
  const program = await readlink(`/proc/${pid}/exe`).catch(() => '')
  if (program !== '') return basename(program)
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim()
}

const EVERYWHERE = ['0.0.0.0', '[::]']

/** Who listens at an address, as `redis-server (pid 4711)`; null where `/proc` does not tell. `host`: an IP address, or a name. */
export const holderOf = async (host: string, port: number): Promise<string | null> => {
  if (process.platform !== 'linux') return null
  const at = [...(await listeners())].filter(([, place]) => place.endsWith(`:${port}`))
  const hosts = [host.includes(':') ? `[${host}]` : host, ...EVERYWHERE]
  const exact = at.filter(([, place]) => hosts.some((each) => place === `${each}:${port}`))
  const inodes = new Set((exact.length > 0 ? exact : at).map(([inode]) => inode))
  if (inodes.size === 0) return null
  for (const pid of await processes()) {
    if (!(await inodesOf(pid)).some((inode) => inodes.has(inode))) continue
    if (pid === process.pid) return `this very process (pid ${pid})`
    return `${(await nameOf(pid)) || 'a process'} (pid ${pid})`
  }
  return null
}
