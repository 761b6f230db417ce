/** One accepted conn and the client at its other end, and what cases ask of them. */

import { TidegateError } from '../../errors.js'
import type { Conn } from '../../ports/engine.js'
import { within } from '../wait.js'
import type { Peer } from './peer.js'
import type { Scene } from './scene.js'

export const PATIENCE_MS = 5000
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

export const pair = async (scene: Scene): Promise<{ readonly client: Peer; readonly conn: Conn }> => {
  const gateway = await scene.gateway()
  const client = await scene.client(gateway.listening.address)
  return { client, conn: await gateway.accepted() }
}

export const leaving = (conn: Conn): Promise<'fin' | 'reset'> =>
  within(new Promise((resolve) => conn.watch(resolve)), 'the watcher is told')

export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  within(
    promise.then(
      () => 'resolved',
      (thrown: unknown) => (thrown instanceof TidegateError ? thrown.code : String(thrown)),
    ),
    'the promise settles',
  )
