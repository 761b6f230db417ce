// A gateway inside a program of your own: listens on a free port, relays, and tells what happened.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createGateway, formatAddress } from 'tidegate'

// Stands in for the service that you already run.
const service = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
await once(service, 'listening')

const gateway = await createGateway(
  {
    listeners: [{ name: 'echo', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.address().port}` }],
    timeouts: { idle: '1m' },
  },
  {
    observers: [{ onClose: ({ id, reason, bytes }) => console.log(`#${id} ended: ${reason}`, bytes) }],
  },
)
const [{ address }] = gateway.listeners
console.log('listening on', formatAddress(address).replace(/\d+$/, '(a free port)'))

const client = connect(address.port, address.host)
client.write('hello')
console.log('answer:', String((await once(client, 'data'))[0]))
console.log('open connections:', gateway.connections().length)

client.end()
await gateway.close()
service.close()
console.log('relayed in all:', gateway.counters().listeners.echo.bytes)
