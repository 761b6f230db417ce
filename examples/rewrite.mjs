// inspect sees each chunk of either direction, and passes, replaces, drops it, or ends the connection.
// A chunk is whatever arrived together: for a real protocol, gather bytes until a message is whole.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createGateway } from 'tidegate'

const echo = (socket) => socket.on('error', () => {}).pipe(socket)
const service = createServer(echo).listen(0, '127.0.0.1')
await once(service, 'listening')

const gateway = await createGateway(
  { listeners: [{ name: 'echo', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.address().port}` }] },
  {
    inspect(chunk, { direction }) {
      if (direction === 'downstream') return 'pass'
      const text = Buffer.from(chunk).toString()
      if (text.includes('DROP TABLE')) return 'terminate'
      return text.includes('secret') ? Buffer.from(text.replaceAll('secret', '******')) : 'pass'
    },
  },
)
const [{ address }] = gateway.listeners

const client = connect(address.port, address.host)
client.write('my secret word')
console.log('the service saw:', String((await once(client, 'data'))[0]))
client.write('DROP TABLE users')
const [{ code }] = await once(client, 'error')
console.log('the client sees', code)

await gateway.close()
service.close()
console.log('ended:', gateway.counters().listeners.echo.closed)
