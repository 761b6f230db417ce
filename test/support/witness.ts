/**
 * A witness between a client and the gateway, for clients that cannot tell themselves what they sent and got: passes
 * everything on, and keeps a hash of each direction of each connection.
 *
 * A client that leaves in the middle of a reply is an end of its stream to the gateway, not a reset: so the gateway's
 * whole reply still arrives, and the witness has exactly what the gateway relayed.
 */

import { connect, type Socket } from 'node:net'
import { expect } from 'vitest'
import type { PerDirection } from '../../src/core/direction.js'
import { type Digest, type Digester, digester } from './payload.js'
import type { ListedConnection } from './recording.js'
import { eventually, type Scope } from './scope.js'
import { LOOPBACK, startServer } from './sockets.js'
import type { StreamDigests } from './streams.js'

export interface Witness {
  /** Where clients connect to instead of the gateway. */
  readonly port: number
  /**
   * Waits until no connection is open any more; to be called once. Resolves with what has passed, by the address that the
   * gateway saw, in order of the connections from there.
   */
  account(): Promise<ReadonlyMap<string, readonly PerDirection<Digest>[]>>
}

/** Hands everything from one socket to the other, no faster than that takes it. */
const pass = (from: Socket, to: Socket, hash: Digester): void => {
  from.on('data', (chunk) => {
    hash.push(chunk)
    if (to.destroyed || to.writableEnded) return
    if (!to.write(chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
  // Nobody is left to be slow: the rest is only counted.
  to.on('close', () => from.resume())
  from.on('end', () => to.end())
  from.on('close', () => to.end())
}

export const startWitness = async (scope: Scope, gatewayPort: number): Promise<Witness> => {
  const passed: { readonly client: string; readonly hashes: PerDirection<Digester> }[] = []
  const open = new Set<Socket>()
  const server = await startServer(scope, (client) => {
    const gateway = connect({ port: gatewayPort, host: LOOPBACK, allowHalfOpen: true, noDelay: true })
    const hashes = { upstream: digester(), downstream: digester() }
    gateway.once('connect', () => passed.push({ client: `${LOOPBACK}:${gateway.localPort}`, hashes }))
    gateway.on('error', () => client.resetAndDestroy())
    pass(client, gateway, hashes.upstream)
    pass(gateway, client, hashes.downstream)
    open.add(gateway)
    gateway.once('close', () => open.delete(gateway))
  })
  scope.defer(() => {
    for (const socket of open) socket.destroy()
  })
  return {
    port: server.port,
    account: async () => {
      await eventually('all witnessed connections to end', () => open.size === 0)
      const byClient = new Map<string, PerDirection<Digest>[]>()
      for (const { client, hashes } of passed) {
        const digests = { upstream: hashes.upstream.digest(), downstream: hashes.downstream.digest() }
        byClient.set(client, [...(byClient.get(client) ?? []), digests])
      }
      return byClient
    },
  }
}

/** The recording has the connections that passed the witness, no others, and every byte of them. */
export const expectWitnessed = async (
  witness: Witness,
  listed: readonly ListedConnection[],
  recorded: StreamDigests,
): Promise<void> => {
  const byClient = new Map<string, (PerDirection<Digest> | undefined)[]>()
  for (const { client, connection } of listed)
    byClient.set(client, [...(byClient.get(client) ?? []), recorded.get(connection)])
  expect(byClient).toEqual(await witness.account())
}
