/**
 * A recording that a sink takes: it is written into a spool on the writer thread, and delivered from there; on the same
 * thread, or for a sink of the program's own on the main thread.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { nodeClock } from '../../pools/node-clock.js'
import type { Sink } from '../../ports/sink.js'
import type { Store, StoreHost } from '../../ports/store.js'
import type { Durability } from '../../sinks/file/durability.js'
import type { FreeSpaceFloor } from '../../sinks/file/free-space.js'
import { Delivery } from '../../sinks/spool/delivery.js'
import type { LeftSegment } from '../../sinks/spool/segments.js'
import type { SpoolDir } from '../../sinks/spool/spool-dir.js'
import { SpoolStore } from '../../sinks/spool/spool-store.js'
import type { SpoolNews, SpoolOrder } from '../../sinks/spool/talk.js'
import { openSink } from './open-sink.js'
import { within } from './within.js'

export interface SpoolStoreSpec {
  readonly kind: 'spool'
  readonly dir: string
  readonly left: readonly LeftSegment[]
  readonly next: number
  readonly maxBytes: number
  readonly durability: Durability
  readonly floor: FreeSpaceFloor
  /** Who delivers: this thread, to the sink of that URL; or whoever is at the other end of the port. */
  readonly sink:
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'port'; readonly port: MessagePort }
}

interface SpoolPlace {
  readonly where: string
  readonly sectionStart: Uint8Array
  readonly sequenceSalt: number
  readonly host: StoreHost
}

/** On the writer thread. @throws TidegateError (rejects) what the sink says is the user's to mend. */
export const openSpoolStore = async (spec: SpoolStoreSpec, place: SpoolPlace): Promise<Store> =>
  spec.sink.kind === 'url'
    ? deliveringStore(spec, spec.sink.url, place)
    : tellingStore(spec, spec.sink.port, place)

const deliveringStore = async (spec: SpoolStoreSpec, url: string, place: SpoolPlace): Promise<Store> => {
  const { dir, left } = spec
  const { host } = place
  const sink = await openSink(url)
  const order = (said: SpoolOrder): void => store.heard(said)
  const delivery = new Delivery({ dir, left, sink, host, clock: nodeClock, order })
  const store = new SpoolStore({ ...spec, ...place, clock: nodeClock, tell: (news) => delivery.heard(news) })
  try {
    await delivery.start()
  } catch (thrown) {
    await store.close()
    throw thrown
  }
  return {
    where: place.where,
    write: (bytes, seat) => store.write(bytes, seat),
    left: (seat) => store.left(seat),
    close: async (timeoutMs) => {
      await store.close()
      await delivery.close(timeoutMs)
    },
  }
}

const tellingStore = (spec: SpoolStoreSpec, port: MessagePort, place: SpoolPlace): Store => {
  const tell = (news: SpoolNews): void => port.postMessage(news)
  const store = new SpoolStore({ ...spec, ...place, clock: nodeClock, tell })
  port.on('message', (order: SpoolOrder) => store.heard(order))
  return {
    where: place.where,
    write: (bytes, seat) => store.write(bytes, seat),
    left: (seat) => store.left(seat),
    close: async () => {
      await store.close()
      port.close()
    },
  }
}

/** The main thread's end of a spool: delivers to a sink of the program's own. */
export interface OwnDelivery {
  /** For the writer thread. */
  readonly port: MessagePort
  close(timeoutMs: number): Promise<void>
}

/** @throws TidegateError (rejects) what the sink says is the user's to mend. */
export const startOwnDelivery = async (
  sink: Sink,
  { dir, left }: SpoolDir,
  host: StoreHost,
): Promise<OwnDelivery> => {
  const { port1: here, port2: port } = new MessageChannel()
  const order = (said: SpoolOrder): void => here.postMessage(said)
  const delivery = new Delivery({ dir, left, sink, host, clock: nodeClock, order })
  // Also when the writer thread has died: what it has told last is whole.
  const over = new Promise<void>((resolve) => {
    here.once('close', () => {
      delivery.heard({ kind: 'over' })
      resolve()
    })
  })
  here.on('message', (news: SpoolNews) => delivery.heard(news))
  here.unref()
  try {
    await delivery.start()
  } catch (thrown) {
    here.close()
    throw thrown
  }
  return {
    port,
    close: async (timeoutMs) => {
      here.ref()
      await within(over, timeoutMs)
      here.close()
      await delivery.close(timeoutMs)
    },
  }
}
