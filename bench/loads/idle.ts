/** Connections that have sent one byte, got it back, and then do nothing. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { LOOPBACK } from '../machine/ports.js'

/** Opened at a time: fewer than any backlog. */
const BATCH = 64

const PATIENCE_MS = 30_000

const openOne = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: LOOPBACK, noDelay: true })
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), PATIENCE_MS)
    let why = 'it was closed'
    socket.on('error', (error) => {
      why = error.message
    })
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error(`an idle connection was not served: ${why}`))
    })
    socket.once('data', () => {
      clearTimeout(timer)
      resolve(socket)
    })
    socket.write('.')
  })

const closeAll = async (sockets: readonly Socket[]): Promise<void> => {
  for (const socket of sockets) socket.destroy()
  await Promise.all(sockets.map((socket) => (socket.closed ? null : once(socket, 'close'))))
}

/** Opens `count` connections, calls `during` while they are open, and closes them. */
export const withIdleConnections = async <T>(
  port: number,
  count: number,
  during: () => Promise<T>,
): Promise<T> => {
  const sockets: Socket[] = []
  try {
    while (sockets.length < count) {
      const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, () => openOne(port))
      const opened = await Promise.allSettled(batch)
      sockets.push(...opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])))
      const failed = opened.find((one) => one.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
    return await during()
  } finally {
    await closeAll(sockets)
  }
}
