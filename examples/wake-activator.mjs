// A service that the program itself starts for the first client, and stops when nobody is connected: here a server in this process, in
// earnest perhaps a virtual machine, a container behind an API, a tunnel.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGateway } from 'tidegate'

const PATH = join(tmpdir(), `tidegate-example-${process.pid}.sock`)

/** Starts a run of the service, and tells what becomes of it. What throws here is a start that failed. */
const activator = {
  label: 'the echo server',
  start({ ready, output, ended }) {
    const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
    server.on('listening', () => {
      output('listening', 'stdout') // to the gateway's log
      ready() // clients that wait are connected now
    })
    server.on('error', ({ message }) => tell(`could not listen: ${message}`))
    server.on('close', () => tell('was stopped'))
    server.listen(PATH)
    return { pid: null, stop: () => server.close(), kill: () => server.close() }

    function tell(message) {
      console.log('the service', message)
      ended({ message, code: null, signal: null, tail: [] })
    }
  },
}

const gateway = await createGateway(
  {
    listeners: [{ name: 'echo', listen: '127.0.0.1:0', upstream: 'echo' }],
    upstreams: { echo: { endpoints: [`unix:${PATH}`], wake: { idle: '100ms' } } },
  },
  { activators: { echo: activator } },
)
const [{ address }] = gateway.listeners
const service = gateway.service('echo')
console.log('before the first client:', service.status().state)

const client = connect(address.port, address.host)
client.write('hello')
console.log('answer:', String((await once(client, 'data'))[0]))
console.log('while it is connected:', service.status().state)

client.end()
while (service.status().state !== 'closed') await new Promise((resolve) => setTimeout(resolve, 10))
const { starts, failures } = service.status()
console.log('after the last client: closed', { starts, failures })
await gateway.close()
