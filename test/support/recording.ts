/** What a recording holds, asked of two independent readers: our own commands, and tshark. */

import { expect } from 'vitest'
import type { Direction, PerDirection } from '../../src/core/direction.js'
import { openRecording } from '../../src/recording.js'
import { collectStreams, hashStreams, type StreamDigests } from './streams.js'
import { tidegate } from './tidegate.js'
import { readWithTshark, type TsharkOptions } from './tshark.js'

/** A line of `inspect FILE --json`. */
export interface ListedConnection {
  readonly connection: number
  readonly client: string
  readonly listener: string | null
  readonly bytes: PerDirection<number>
  readonly lost: PerDirection<number>
  readonly reason: string | null
}

/** The largest recordings take us a while on a small machine. */
const READING_MS = 180_000

const failed = (what: string, stderr: string): Error => new Error(`${what}: ${stderr}`)

/** All connections of a recording, in order of appearance: those of several workers are not in order of opening. */
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

const DIRECTIONS = ['upstream', 'downstream'] as const

/** The hashes of every connection, each direction as the library reads it, in one pass over the file. */
const recordedDigests = async (file: string): Promise<StreamDigests> => {
  const { sink, digests } = hashStreams()
  const recording = await openRecording(file)
  for await (const batch of recording.batches())
    for (const event of batch) {
      if (event.kind === 'open') sink.begin(event.connection)
      else if (event.kind === 'data') sink.push(event.connection, event.direction, event.bytes)
      else if (event.kind === 'gap') throw new Error(`connection ${event.connection} has a gap`)
    }
  expect(recording.damage).toBe(null)
  return digests()
}

/** `verify` finds neither damage nor hole. */
export const expectVerified = async (file: string): Promise<void> => {
  const verified = await tidegate(['verify', file], { timeoutMs: READING_MS })
  expect(`${verified.code} ${verified.stderr}`, verified.stdout.toString()).toBe('0 ')
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
): Promise<ReadonlyMap<number, PerDirection<Buffer>>> => {
  await expectVerified(file)
  const followed = collectStreams()
  expect(await readWithTshark(file, { connections, sink: followed.sink }, options)).toBe('')
  const streams = followed.streams()
  for (const connection of connections)
    for (const direction of DIRECTIONS)
      expectSameBytes(
        await rawStream(file, connection, direction),
        streams.get(connection)?.[direction] ?? Buffer.from('tshark has no such stream'),
        `inspect of connection ${connection} ${direction}, against tshark`,
      )
  return streams
}

/** A command for each direction of each connection would take too long. */
const SAMPLED = 3

/**
 * As {@link expectSound} for every connection of the file, by hashes: tshark follows them all, the library reads them all,
 * and the `inspect` command a few.
 * @returns their hashes, for comparison with what was sent
 */
export const expectSoundThroughout = async (file: string): Promise<StreamDigests> => {
  await expectVerified(file)
  const recorded = await recordedDigests(file)
  const connections = [...recorded.keys()]
  const followed = hashStreams()
  expect(await readWithTshark(file, { connections, sink: followed.sink })).toBe('')
  expect(followed.digests()).toEqual(recorded)
  const { sink, digests } = hashStreams()
  const sample = connections.filter((n) => n % Math.ceil(connections.length / SAMPLED) === 0)
  for (const connection of sample)
    for (const direction of DIRECTIONS)
      await rawStreamTo(file, connection, direction, (chunk) => sink.push(connection, direction, chunk))
  for (const [connection, digest] of digests()) expect(digest).toEqual(recorded.get(connection))
  return recorded
}
