import { readFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { createPortableEngine } from '../../../src/engine/portable/engine.js'
import type { Conn, LinkEnd } from '../../../src/ports/engine.js'

/** A self-signed certificate for `localhost`, made for these tests alone. */
const pem = (name: string): Buffer => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url))
const cert = pem('cert')
const key = pem('key')

const engine = createPortableEngine()
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A TLS service, and a TLS socket of the caller's own to it. */
const tlsUpstream = async (serve: (socket: TLSSocket) => void): Promise<TLSSocket> => {
  const server = createServer({ cert, key, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  cleanups.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: cert, servername: 'localhost' }, () =>
      resolve(socket),
    )
    socket.once('error', reject)
  })
}

const plainClient = async (): Promise<{ client: ReturnType<typeof connectTcp>; conn: Conn }> => {
  const accepted = withResolvers<Conn>()
  const listening = await engine.listen(
    { address: { kind: 'tcp', host: '127.0.0.1', port: 0 } },
    accepted.resolve,
  )
  cleanups.push(() => listening.close())
  const port = listening.address.kind === 'tcp' ? listening.address.port : 0
  const client = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true })
  client.on('error', () => {})
  return { client, conn: await accepted.promise }
}

const withResolvers = <T>(): { promise: Promise<T>; resolve: (value: T) => void } => {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

const linked = (client: Conn, upstream: Conn): Promise<LinkEnd> =>
  new Promise((onEnd) =>
    engine.link(client, upstream, { onEnd }, { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 }),
  )

/** Not by `for await`, which closes the stream when it ends: the other direction lives on. */
const all = (stream: Duplex): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve(Buffer.concat(chunks)))
  })

describe('a TLS socket as upstream', () => {
  it('carries a request, its FIN, and the whole reply of 4 MiB', async () => {
    const reply = Buffer.alloc(4 * 1024 * 1024, 'reply ')
    const asked: string[] = []
    const tls = await tlsUpstream(async (socket) => {
      asked.push((await all(socket)).toString())
      socket.end(reply)
    })
    const { client, conn } = await plainClient()
    const upstream = engine.adopt(tls)
    expect(upstream.remote).toEqual({ kind: 'tcp', host: '127.0.0.1', port: tls.remotePort })
    const ended = linked(conn, upstream)
    client.end('question')
    expect((await all(client)).equals(reply)).toBe(true)
    expect(asked).toEqual(['question'])
    expect(await ended).toEqual({
      reason: 'client_fin',
      error: null,
      totals: { upstream: 8, downstream: reply.length },
    })
  })

  it('is closed when the client resets', async () => {
    const closed = withResolvers<void>()
    const tls = await tlsUpstream((socket) => {
      socket.on('data', () => socket.write('pong'))
      socket.on('end', () => socket.end())
      socket.on('close', () => closed.resolve())
    })
    const { client, conn } = await plainClient()
    const ended = linked(conn, engine.adopt(tls))
    client.write('ping')
    await new Promise((resolve) => client.once('data', resolve))
    client.resetAndDestroy()
    expect((await ended).reason).toBe('client_reset')
    await closed.promise
  })
})
