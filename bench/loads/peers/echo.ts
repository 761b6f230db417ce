/** Usage: node echo.js PORT. Sends back whatever it gets, on loopback, until it is ended. */

import { createServer } from 'node:net'

createServer({ noDelay: true }, (socket) => {
  socket.on('data', (chunk) => socket.write(chunk))
  // A client that resets is gone, nothing more.
  socket.on('error', () => socket.destroy())
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })
