/**
 * What a recording holds, asked of two independent readers: our own commands, and tshark.
 *
 * Connection N of `inspect` is TCP stream N - 1 of tshark: both count in order of appearance.
 */

import { expect } from 'vitest'
import type { Direction, PerDirection } from '../../src/core/direction.js'
import { runWell } from './processes.js'
import { tidegate } from './tidegate.js'
import { toolPath } from './tools.js'

/** A line of `inspect FILE --json`. */
export interface ListedConnection {
  readonly connection: number
  readonly client: string
  readonly listener: string | null
  readonly bytes: PerDirection<number>
  readonly lost: PerDirection<number>
  readonly reason: string | null
}

/** Largest recordings take tshark and us a while on a small machine. */
const READING_MS = 180_000

const failed = (what: string, stderr: string): Error => new Error(`${what}: ${stderr}`)

/** All connections of a recording, in order of appearance. */
export const listConnections = async (file: string): Promise<readonly ListedConnection[]> => {
  const { code, stdout, stderr } = await tidegate(['inspect', file, '--json'], { timeoutMs: READING_MS })
  if (code !== 0) throw failed(`inspect ${file} exited with ${code}`, stderr)
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ListedConnection)
    .sort((a, b) => a.connection - b.connection)
}

/** Hands the bytes of one direction, as our own reader gives them, to `onStdout` as they come. */
export const rawStreamTo = async (
  file: string,
  connection: number,
  direction: Direction,
  onStdout: (chunk: Buffer) => void,
): Promise<void> => {
  const args = ['inspect', file, '--connection', String(connection), '--as', 'raw', '--direction', direction]
  const { code, stderr } = await tidegate(args, { onStdout, timeoutMs: READING_MS })
  if (code !== 0) throw failed(`${args.join(' ')} exited with ${code}`, stderr)
}

/** The bytes of one direction, as our own reader gives them. */
export const rawStream = async (file: string, connection: number, direction: Direction): Promise<Buffer> => {
  const chunks: Buffer[] = []
  await rawStreamTo(file, connection, direction, (chunk) => chunks.push(chunk))
  return Buffer.concat(chunks)
}

/** One TCP stream as tshark's follow-stream shows it. */
type Followed = PerDirection<Buffer>

/**
 * Reads what `-z follow,tcp,raw,N` prints: for each stream a header, then a line of hex for each segment, led by a tab if
 * it is the server's.
 */
const followParser = () => {
  const streams = new Map<number, { upstream: Buffer[]; downstream: Buffer[] }>()
  let current: { upstream: Buffer[]; downstream: Buffer[] } | undefined
  let odd = ''
  let rest = ''
  const line = (text: string): void => {
    const header = /^Filter: tcp\.stream eq (\d+)$/.exec(text)
    if (header) {
      current = { upstream: [], downstream: [] }
      streams.set(Number(header[1]), current)
    } else if (current === undefined && !/^(?:=+|Follow: .*|)$/.test(text)) {
      odd += `${text}\n`
    } else if (/^\t?(?:[0-9a-f]{2})+$/.test(text)) {
      const fromServer = text.startsWith('\t')
      current?.[fromServer ? 'downstream' : 'upstream'].push(
        Buffer.from(fromServer ? text.slice(1) : text, 'hex'),
      )
    }
  }
  return {
    push: (chunk: Buffer): void => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const text of lines) line(text)
    },
    /** What came before the streams: the packets that the filter let through. */
    odd: (): string => odd,
    streams: (): ReadonlyMap<number, Followed> =>
      new Map(
        [...streams].map(([stream, { upstream, downstream }]) => [
          stream + 1,
          { upstream: Buffer.concat(upstream), downstream: Buffer.concat(downstream) },
        ]),
      ),
  }
}

/** What tshark itself says on stderr whenever root runs it, which is no complaint about the file. */
const ROOT_NOTICE = /^Running as user "root" and group "root"\. This could be dangerous\.\n/

/** A client may come again from a port it used before; every other remark would be about packets we made up. */
const ODDITIES = 'tcp.analysis.flags && !tcp.analysis.reused_ports'

export interface TsharkReading {
  /** The connections that were to be followed, by number. */
  readonly streams: ReadonlyMap<number, Followed>
  /** A line for each packet that tshark finds something odd about. */
  readonly odd: string
}

export interface TsharkOptions {
  /**
   * Whether tshark also puts the messages above TCP together, its default: in memory, and in half a minute for a message
   * of 1 GiB.
   */
  readonly reassemble?: boolean
}

/**
 * Has tshark read the whole file once, and follow these connections (counted from 1) meanwhile. Fails if tshark does, or
 * has anything to complain about the file.
 */
export const readWithTshark = async (
  file: string,
  connections: readonly number[] = [],
  { reassemble = true }: TsharkOptions = {},
): Promise<TsharkReading> => {
  const parser = followParser()
  // -n: no name lookups, which would leave the machine.
  const args = [
    '-n',
    '-r',
    file,
    '-Y',
    ODDITIES,
    ...(reassemble ? [] : ['-o', 'tcp.desegment_tcp_streams:FALSE']),
    ...connections.flatMap((n) => ['-z', `follow,tcp,raw,${n - 1}`]),
  ]
  const { stderr } = await runWell(toolPath('tshark'), args, { timeoutMs: READING_MS, onStdout: parser.push })
  expect(stderr.replace(ROOT_NOTICE, '')).toBe('')
  return { streams: parser.streams(), odd: parser.odd() }
}

const firstDifference = (a: Buffer, b: Buffer): number => {
  const shorter = Math.min(a.length, b.length)
  for (let at = 0; at < shorter; at++) if (a[at] !== b[at]) return at
  return shorter
}

/** Equal, or an error that says where they part, instead of a diff of megabytes. */
export const expectSameBytes = (found: Buffer, expected: Buffer, what: string): void => {
  if (found.equals(expected)) return
  const at = firstDifference(found, expected)
  const around = (bytes: Buffer): string => JSON.stringify(bytes.subarray(at, at + 32).toString('latin1'))
  throw new Error(
    `${what}: ${found.length} bytes instead of ${expected.length}, different from ${at} on: ${around(found)} instead of ${around(expected)}`,
  )
}

/** What tshark and `inspect` agree on, both directions of one connection. */
const expectAgreement = async (
  file: string,
  connection: number,
  followed: Followed | undefined,
): Promise<void> => {
  if (followed === undefined) throw new Error(`tshark has no stream for connection ${connection}`)
  for (const direction of ['upstream', 'downstream'] as const)
    expectSameBytes(
      await rawStream(file, connection, direction),
      followed[direction],
      `inspect of connection ${connection} ${direction}, against tshark`,
    )
}

/**
 * `verify` finds neither damage nor hole, tshark has nothing to complain and finds nothing odd in the TCP it sees, and
 * its follow-stream of these connections equals what `inspect` gives, in each direction.
 * @returns their streams, for comparison with what was sent
 */
export const expectSound = async (
  file: string,
  connections: readonly number[] = [],
  options: TsharkOptions = {},
): Promise<ReadonlyMap<number, Followed>> => {
  const verified = await tidegate(['verify', file], { timeoutMs: READING_MS })
  expect(`${verified.code} ${verified.stderr}`, verified.stdout.toString()).toBe('0 ')
  const { streams, odd } = await readWithTshark(file, connections, options)
  expect(odd).toBe('')
  for (const connection of connections) await expectAgreement(file, connection, streams.get(connection))
  return streams
}
