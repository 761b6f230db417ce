// inspect sees each chunk of either direction, and passes, replaces, drops it, or ends the connection.
// A chunk is whatever arrived together: for a real protocol, gather bytes until a message is whole.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createGateway } from 'tidegate'

const service = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
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
    observers: [{ onClose: ({ reason }) => console.log('ended:', reason) }],
  },
)
const [{ address }] = gateway.listeners

const client = connect(address.port, address.host)
client.on('error', ({ code }) => console.log('client sees', code))
client.write('my secret word')
console.log('the service saw:', String((await once(client, 'data'))[0]))
client.write('DROP TABLE users')
await once(client, 'close')

await gateway.close()
service.close()
