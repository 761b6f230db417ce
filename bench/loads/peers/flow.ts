/** Usage: node flow.js HOST PORT. Whoever sends `SECONDS\n` gets bytes for so long, as fast as they go, and then the end. */

import { randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'

const [host, port] = process.argv.slice(2) as [string, string]

/** Letters: nothing that a format of recordings has to escape. */
const CHUNK = Buffer.from(randomBytes(192 * 1024).toString('base64url'))

const send = (socket: Socket, until: number): void => {
  while (performance.now() < until) if (!socket.write(CHUNK)) return
  socket.end()
}

createServer({ allowHalfOpen: true }, (socket) => {
  let asked = ''
  socket.on('data', (text) => {
    asked += text
    if (!asked.endsWith('\n')) return
    const until = performance.now() + Number(asked) * 1000
    socket.on('drain', () => send(socket, until))
    send(socket, until)
  })
  // A client that resets is gone, nothing more.
  socket.on('error', () => socket.destroy())
}).listen({ port: Number(port), host, backlog: 4096 })
