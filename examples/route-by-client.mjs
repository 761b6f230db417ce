// connectTarget chooses the upstream for each client: an address, several to be tried in order, or a stream of
// your own, such as a TLS socket. Null leaves the choice to the config.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createGateway } from 'tidegate'

const startService = async (answer) => {
  const service = createServer((socket) => socket.end(answer)).listen(0, '127.0.0.1')
  await once(service, 'listening')
  return service
}
const [blue, green] = [await startService('blue\n'), await startService('green\n')]
const addressOf = (service) => `127.0.0.1:${service.address().port}`

const gateway = await createGateway(
  { listeners: [{ name: 'canary', listen: '127.0.0.1:0', upstream: addressOf(blue) }] },
  {
    async connectTarget({ id }) {
      // The first endpoint is not there, so the second is tried.
      if (id === 2) return ['127.0.0.1:1', addressOf(green)]
      // A socket of your own; with TLS: tls.connect({ host, port, servername, ALPNProtocols })
      if (id === 3) return connect(green.address().port, '127.0.0.1')
      return null
    },
  },
)
const [{ address }] = gateway.listeners

for (let n = 1; n <= 3; n++) {
  const client = connect(address.port, address.host)
  console.log(`client ${n} reached`, String((await once(client, 'data'))[0]).trim())
  client.destroy()
}

await gateway.destroy()
blue.close()
green.close()
