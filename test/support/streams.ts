/** What passed in each direction of each connection, kept whole or as hashes, however many connections there are. */

import type { Direction, PerDirection } from '../../src/core/direction.js'
import { type Digest, type Digester, digester } from './payload.js'

/** Takes the bytes of connections, counted from 1, as they come. */
export interface StreamSink {
  /** There is such a connection, even if no byte of it follows. */
  begin(connection: number): void
  /** The bytes are the caller's again afterwards. */
  push(connection: number, direction: Direction, bytes: Uint8Array): void
}

const sinkInto = <T>(
  make: () => PerDirection<T>,
  add: (to: T, bytes: Uint8Array) => void,
): StreamSink & { readonly streams: ReadonlyMap<number, PerDirection<T>> } => {
  const streams = new Map<number, PerDirection<T>>()
  const stream = (connection: number): PerDirection<T> => {
    const known = streams.get(connection)
    if (known !== undefined) return known
    const made = make()
    streams.set(connection, made)
    return made
  }
  return {
    streams,
    begin: stream,
    push: (connection, direction, bytes) => add(stream(connection)[direction], bytes),
  }
}

const mapEach = <T, R>(streams: ReadonlyMap<number, PerDirection<T>>, change: (stream: T) => R) =>
  new Map(
    [...streams].map(([connection, { upstream, downstream }]): [number, PerDirection<R>] => [
      connection,
      { upstream: change(upstream), downstream: change(downstream) },
    ]),
  )

/** Keeps everything. */
export const collectStreams = () => {
  const { streams, ...sink } = sinkInto<Buffer[]>(
    () => ({ upstream: [], downstream: [] }),
    (chunks, bytes) => chunks.push(Buffer.from(bytes)),
  )
  return {
    sink,
    streams: (): ReadonlyMap<number, PerDirection<Buffer>> =>
      mapEach(streams, (chunks) => Buffer.concat(chunks)),
  }
}

/** The hashes of both directions of connections, by number. */
export type StreamDigests = ReadonlyMap<number, PerDirection<Digest>>

/** Keeps a hash of each direction. */
export const hashStreams = () => {
  const { streams, ...sink } = sinkInto<Digester>(
    () => ({ upstream: digester(), downstream: digester() }),
    (hash, bytes) => hash.push(bytes),
  )
  return { sink, digests: (): StreamDigests => mapEach(streams, (hash) => hash.digest()) }
}
