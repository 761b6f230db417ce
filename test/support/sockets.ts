/** Sockets of the tests' own: free ports, small servers, and clients that know what they sent and got. */

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Daemon } from './processes.js'
import { eventually, type Scope, within } from './scope.js'

export const LOOPBACK = '127.0.0.1'

/** A port nobody listens on now. Somebody else may take it, so a server that can take port 0 should. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, LOOPBACK)
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

/**
 * As `freePort`, for a service that is started later: not of the range that the system gives to whoever connects, so that no
 * connection takes it meanwhile.
 */
export const lastingPort = async (): Promise<number> => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer().listen(port, '0.0.0.0')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

export const portOf = (server: Server): number => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

const accepts = async (port: number): Promise<boolean> => {
  const socket = connect({ port, host: LOOPBACK })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Resolves once the daemon accepts on the port; rejects with what it printed if it does not. */
export const waitUntilAccepting = async (
  daemon: Daemon,
  port: number,
  deadlineMs = 20_000,
): Promise<void> => {
  try {
    await eventually(
      `port ${port} to accept`,
      async () => {
        if (!daemon.isRunning()) throw new Error('it has ended')
        return accepts(port)
      },
      deadlineMs,
    )
  } catch (error) {
    throw new Error(`the server did not start: ${String(error)}\n${daemon.output()}`)
  }
}

export interface TestServer {
  readonly port: number
  /** Sockets that are open now. */
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

/** A server in this process. Its sockets allow half-close; their errors are nobody's concern but the handler's. */
export const startServer = async (scope: Scope, onSocket: (socket: Socket) => void): Promise<TestServer> => {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    onSocket(socket)
  }).listen(0, LOOPBACK)
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  scope.defer(close)
  return { port: portOf(server), sockets, close }
}

/** A connected socket that ends with the scope. Its errors concern whoever waits for something of it, and nobody else. */
export const dial = async (scope: Scope, port: number): Promise<Socket> => {
  const socket = connect({ port, host: LOOPBACK, allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {})
  scope.defer(() => socket.destroy())
  await within(5000, `a connection to port ${port}`, once(socket, 'connect'))
  return socket
}

/** Everything the other side sends until its FIN. */
export const readAll = async (socket: Socket, deadlineMs = 30_000): Promise<Buffer> => {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  await within(deadlineMs, 'the end of the stream', once(socket, 'end'))
  return Buffer.concat(chunks)
}

/** Sends all of it, ends, and resolves with the whole reply. */
export const exchange = async (socket: Socket, bytes: Uint8Array, deadlineMs = 30_000): Promise<Buffer> => {
  const reply = readAll(socket, deadlineMs)
  socket.end(bytes)
  return reply
}

/** Resolves once a client's connection has arrived at the server. */
export const firstSocket = (server: TestServer): Promise<Socket> =>
  eventually('a connection to the server', () => [...server.sockets][0])
