/** `tail` on what one gateway records into many compressed files: each filter shows its part of that, while it comes. */

import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createGateway } from '../../src/control/gateway.js'
import { startTail } from '../cli/following.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { SETTING } from '../support/setting.js'
import { LOOPBACK, startServer } from '../support/sockets.js'

/** A connection, as it was on the wire and as `tail` is to show it. */
interface Talk {
  /** Its address with the port. */
  readonly client: string
  readonly listener: 'web' | 'db'
  /** Both ways. */
  readonly size: number
  readonly reason: 'client_fin' | 'upstream_fin' | 'client_reset' | 'upstream_reset'
}

type Plan = Omit<Talk, 'client'> & { readonly host: string }

/** No two of client, listener, size and reason go together. */
const PLAN: readonly Plan[] = [
  { host: '127.0.0.1', listener: 'web', size: 10, reason: 'client_fin' },
  { host: '127.0.0.2', listener: 'web', size: 60_000, reason: 'upstream_fin' },
  { host: '127.0.0.1', listener: 'db', size: 60_000, reason: 'client_reset' },
  { host: '127.0.0.2', listener: 'db', size: 10, reason: 'upstream_reset' },
  { host: '127.0.0.1', listener: 'web', size: 60_000, reason: 'upstream_reset' },
  { host: '127.0.0.2', listener: 'web', size: 8192, reason: 'client_fin' },
  { host: '127.0.0.1', listener: 'db', size: 8190, reason: 'client_fin' },
  { host: '127.0.0.2', listener: 'db', size: 60_000, reason: 'client_fin' },
]

/** What is asked for, and which talks that are. */
const FILTERS: readonly (readonly [readonly string[], (talk: Talk) => boolean])[] = [
  [[], () => true],
  [['--client', '127.0.0.2/32'], ({ client }) => client.startsWith('127.0.0.2:')],
  [['--listener', 'db'], ({ listener }) => listener === 'db'],
  [['--min-size', '8KiB'], ({ size }) => size >= 8192],
  [['--reason', 'client_reset'], ({ reason }) => reason === 'client_reset'],
  [['--reason', 'upstream_fin'], ({ reason }) => reason === 'upstream_fin'],
  [
    ['--client', '127.0.0.2', '--listener', 'web', '--min-size', '9KiB'],
    ({ client, listener, size }) => client.startsWith('127.0.0.2:') && listener === 'web' && size > 9000,
  ],
]

/** An echo that ends, or resets, when it is told to by an `F` or an `R` that comes alone. */
const startEcho = (scope: Scope) =>
  startServer(scope, (socket) => {
    socket.on('end', () => socket.end())
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.length === 1 ? chunk.toString() : ''
      if (text === 'F') socket.end()
      else if (text === 'R') socket.resetAndDestroy()
      else socket.write(chunk)
    })
  })

const dialFrom = async (scope: Scope, port: number, localAddress: string): Promise<Socket> => {
  const socket = connect({ port, host: LOOPBACK, localAddress, allowHalfOpen: true })
  socket.on('error', () => {})
  scope.defer(() => socket.destroy())
  await within(5000, 'a connection', once(socket, 'connect'))
  return socket
}

/** Sends it, and waits until all of it has come back. */
const say = async (socket: Socket, bytes: Buffer): Promise<void> => {
  socket.write(bytes)
  for (let missing = bytes.length; missing > 0; ) {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) await within(5000, 'an echo', once(socket, 'readable'))
    else missing -= chunk.length
  }
}

/** What makes it end like this, once all has been said; true: a byte more has gone upstream. */
const ENDS: Readonly<Record<Talk['reason'], (socket: Socket) => boolean>> = {
  client_fin: (socket) => !socket.resume().end(),
  client_reset: (socket) => !socket.resetAndDestroy(),
  upstream_fin: (socket) => {
    socket.once('end', () => socket.end())
    return socket.resume().write('F')
  },
  upstream_reset: (socket) => socket.resume().write('R'),
}

const play = async (scope: Scope, port: number, plan: Plan): Promise<Talk> => {
  const { host, listener, size, reason } = plan
  const socket = await dialFrom(scope, port, host)
  const client = `${host}:${socket.localPort}`
  await say(socket, Buffer.alloc(size / 2, 'x'))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const isOneMore = ENDS[reason](socket)
  await within(5000, `the end by ${reason}`, closed)
  return { client, listener, size: isOneMore ? size + 1 : size, reason }
}

interface ShownClose {
  readonly client: string
  readonly listener: string
  readonly reason: string
  readonly bytes: { readonly upstream: number; readonly downstream: number }
}

const shownTalk = (line: string): Talk => {
  const { client, listener, reason, bytes } = JSON.parse(line) as ShownClose
  return { client, listener, reason, size: bytes.upstream + bytes.downstream } as Talk
}

const byClient = (talks: readonly Talk[]): readonly Talk[] =>
  talks.toSorted((a, b) => (a.client < b.client ? -1 : 1))

it('shows, of two listeners and two clients, each connection that a filter asks for once, over rotated and compressed files', async () => {
  const scope = testScope()
  const [web, db] = [await startEcho(scope), await startEcho(scope)]
  const directory = scope.tempDir()
  const gateway = await createGateway({
    ...SETTING,
    listeners: [
      { name: 'web', listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${web.port}` },
      { name: 'db', listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${db.port}` },
    ],
    record: { file: `${directory}/`, rotate: { size: '64KiB' }, compress: 'gzip' },
  })
  scope.defer(() => gateway.destroy())
  const ports = new Map(
    gateway.listeners.map(({ name, address }) => [name, address.kind === 'tcp' ? address.port : 0]),
  )
  writeFileSync(join(directory, 'notes.txt'), 'of somebody else')

  const tails = await Promise.all(
    FILTERS.map(async ([args, asksFor]) => ({
      asksFor,
      tail: await startTail(directory, '--json', ...args),
    })),
  )
  // It is open while the files are rotated, compressed, and other connections end.
  const long = await dialFrom(scope, ports.get('web') ?? 0, '127.0.0.2')
  await say(long, Buffer.from('begun'))
  const talks: Talk[] = []
  for (const each of PLAN) talks.push(await play(scope, ports.get(each.listener) ?? 0, each))
  const compressed = (): number => readdirSync(directory).filter((name) => name.endsWith('.gz')).length
  await eventually('files to be compressed', () => compressed() >= 2)
  await say(long, Buffer.from('ended'))
  const client = `127.0.0.2:${long.localPort}`
  const closed = once(long, 'close')
  long.resume().end()
  await closed
  talks.push({ client, listener: 'web', size: 20, reason: 'client_fin' })

  // While the gateway goes on.
  for (const { asksFor, tail } of tails)
    await eventually('all to be shown', () => tail.lines().length >= talks.filter(asksFor).length)
  await gateway.close()
  for (const { asksFor, tail } of tails) {
    const asked = talks.filter(asksFor)
    const { code, stderr } = await tail.finish()
    expect(byClient(tail.lines().map(shownTalk))).toEqual(byClient(asked))
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringContaining('damaged') })
  }
  // Each separates some from others.
  for (const [args, asksFor] of FILTERS.slice(1)) {
    const count = talks.filter(asksFor).length
    expect({ args, isPart: count > 0 && count < talks.length }).toEqual({ args, isPart: true })
  }
  const afterwards = await startTail(directory, '--json', '--from-start', '--listener', 'db')
  await afterwards.finish()
  expect(byClient(afterwards.lines().map(shownTalk))).toEqual(
    byClient(talks.filter(({ listener }) => listener === 'db')),
  )
})
