import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { payload } from '../support/payload.js'
import { residentBytes } from '../support/proc.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { SETTING } from '../support/setting.js'
import { dial, startServer } from '../support/sockets.js'
import { startRelay } from '../support/tidegate.js'

const CLIENTS = 100
const SENT_BYTES = 10 * 1000 ** 3
/** Sent over and over; of a length that shares no factor with a buffer's, so that a shift would show. */
const WORDS = payload(70, 1024 ** 2 + 1)

/** docs/engine.md: at most `bufferBytes` (64 KiB) and one read (64 KiB) wait in user memory per direction. */
const STATED_BYTES = CLIENTS * 2 * 64 * 1024
/**
 * The heap moves by so much while connections come and go; and chunks that node:net has written stay until V8 collects
 * them, which it does after 64 MiB of them, however few are in use.
 */
const NOISE_BYTES = (SETTING.engine === 'portable' ? 64 + 24 : 24) * 1024 ** 2

/** What a client reads when it begins to, of the ten gigabytes. */
const READ_BYTES = 32 * 1024 ** 2

const STILL_MS = 500

/** Sends the words until 10 GB are gone: not soon, if nobody takes them. */
const pour = (socket: Socket): void => {
  let sent = 0
  const more = (): void => {
    while (sent < SENT_BYTES) {
      sent += WORDS.length
      if (!socket.write(WORDS)) return
    }
    socket.end()
  }
  socket.on('drain', more)
  more()
}

/** Resolves once the senders have been stopped. */
const untilStopped = async (sockets: ReadonlySet<Socket>): Promise<void> => {
  let before = -1
  let since = Date.now()
  await eventually(
    'every sender to be stopped',
    () => {
      let taken = 0
      for (const socket of sockets) taken += socket.bytesWritten
      if (taken !== before) since = Date.now()
      before = taken
      return sockets.size === CLIENTS && Date.now() - since > STILL_MS
    },
    30_000,
  )
}

/** Reads so much and no more; everything has to be what was sent. */
const readSome = async (socket: Socket): Promise<void> => {
  let at = 0
  const read = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      for (let done = 0; done < chunk.length; ) {
        const from = at % WORDS.length
        const length = Math.min(chunk.length - done, WORDS.length - from)
        if (chunk.compare(WORDS, from, from + length, done, done + length) !== 0)
          reject(new Error(`other bytes than were sent, from ${at} on`))
        done += length
        at += length
      }
      if (at >= READ_BYTES) resolve()
    })
    socket.resume()
  })
  await within(30_000, 'a client to read', read)
}

const connectAll = async (scope: Scope, port: number): Promise<readonly Socket[]> => {
  const clients: Socket[] = []
  for (let n = 0; n < CLIENTS; n++) clients.push((await dial(scope, port)).pause())
  return clients
}

it(`${CLIENTS} clients that do not read what they are sent, 10 GB each, cost no more memory than is stated`, async () => {
  const ends = testScope()
  const words = await startServer(ends, (socket) =>
    socket.once('data', () => pour(socket)).on('end', () => socket.end()),
  )
  const gateway = await startRelay(ends, words.port)
  const { pid } = gateway.daemon
  // The first ones make it grow to what it needs anyway.
  for (const client of await connectAll(ends, gateway.port)) client.end().resume()
  await gateway.closed(CLIENTS)

  const clients = await connectAll(ends, gateway.port)
  await eventually('all of them to be connected', () => words.sockets.size === CLIENTS)
  const before = residentBytes(pid)
  for (const client of clients) client.write('go')
  await untilStopped(words.sockets)
  expect(residentBytes(pid) - before).toBeLessThan(STATED_BYTES + NOISE_BYTES)

  const [one, other] = clients
  await Promise.all([one, other].map((client) => client && readSome(client)))
  expect(residentBytes(pid) - before).toBeLessThan(STATED_BYTES + NOISE_BYTES)
  for (const client of clients) client.destroy()
  const closed = await gateway.closed(2 * CLIENTS)
  expect(closed.filter(({ reason }) => !/^client_/.test(reason))).toEqual([])
  expect(await gateway.finish()).toBe(0)
  expect(gateway.noise).toEqual([])
}, 90_000)
