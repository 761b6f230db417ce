/** Usage: node echo.js HOST PORT. Sends back whatever it gets until it is ended. */

import { createServer } from 'node:net'

const [host, port] = process.argv.slice(2) as [string, string]

createServer({ noDelay: true }, (socket) => {
  socket.on('data', (chunk) => socket.write(chunk))
  // A client that resets is gone, nothing more.
  socket.on('error', () => socket.destroy())
}).listen({ port: Number(port), host, backlog: 4096 })
