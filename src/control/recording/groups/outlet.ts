/** Where the frames of one resource go: in order through its queue, to its write function or else its writer. */

import type { Backlog } from '../../../core/resource/backlog.js'
import { Lock } from '../../../core/resource/lock.js'
import { isThenable, type WriteContext } from '../../../core/resource/write-function.js'
import { WriteQueue } from '../../../core/resource/write-queue.js'
import { TidegateError } from '../../../errors.js'
import type { ConnectResource, ResourceStream, ResourceWriter } from '../../../ports/resource-group.js'
import type { Frame } from './frame.js'

type Take = (framed: Uint8Array, context: WriteContext) => unknown

const isStream = (writer: ResourceWriter | ResourceStream): writer is ResourceStream =>
  'writable' in writer &&
  typeof writer.writable === 'boolean' &&
  'on' in writer &&
  typeof writer.on === 'function'

/** Streams of callers that are listened to: an error nobody listens to would end the process. */
const HEARD = new WeakSet<ResourceStream>()

const takeByStream = (stream: ResourceStream): Take => {
  // What is wrong comes back with each write.
  if (!HEARD.has(stream)) stream.on('error', () => {})
  HEARD.add(stream)
  return (framed) =>
    new Promise<void>((resolve, reject) => {
      stream.write(framed, (error) => (error ? reject(error) : resolve()))
    })
}

const takeOf = (resource: ConnectResource): Take => {
  const { writeFunction, writer } = resource
  if (typeof writeFunction === 'function')
    return (framed, context) => writeFunction.call(resource, framed, context)
  if (typeof writer?.write === 'function')
    return isStream(writer) ? takeByStream(writer) : (framed) => writer.write(framed)
  throw new TidegateError('value_invalid', 'a resource needs a writeFunction, or a writer with write()', {
    fault: 'hook',
  })
}

const hasMethod = (value: unknown, name: string): boolean =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function'

/** What is wrong with it is to be found before there are frames for it. */
const checked = <T>(value: T, what: string, method: string): T => {
  if (hasMethod(value, method)) return value
  throw new TidegateError('value_invalid', `the ${what} of a resource needs ${method}()`, { fault: 'hook' })
}

export class Outlet {
  readonly #resource: ConnectResource
  readonly #take: Take
  readonly #queue: WriteQueue
  readonly #lock: Lock
  /** What waits for it. */
  readonly backlog: Backlog

  /** @throws TidegateError `value_invalid`: the resource has nothing to write with, or a lock or queue that is none. */
  constructor(resource: ConnectResource, backlog: Backlog) {
    this.#resource = resource
    this.backlog = backlog
    this.#take = takeOf(resource)
    this.#queue = checked(resource.writeQueue ?? new WriteQueue(), 'writeQueue', 'addItem')
    this.#lock = checked(resource.lock ?? new Lock(), 'lock', 'increaseGetIndex')
  }

  /** What remembers that a stream of blocks has begun: a writer has one beginning, however many share it. */
  get sink(): object {
    const { writeFunction, writer } = this.#resource
    return typeof writeFunction === 'function' || writer == null ? this.#resource : writer
  }

  /** Has `write` called when it is this frame's turn. Rejects when it never will be, whatever the lock or the queue throws. */
  async add({ data, context }: Frame, write: () => unknown): Promise<void> {
    await this.#queue.addItem(data, this.#lock.increaseGetIndex(), write, context)
  }

  /** @throws what the function or the writer throws. */
  write(framed: Uint8Array, context: WriteContext): PromiseLike<unknown> | null {
    const taken = this.#take(framed, context)
    return isThenable(taken) ? taken : null
  }
}
