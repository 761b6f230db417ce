// updateResourceGroup while clients are connected: those that come get the new group; those that are there keep theirs, which is
// closed after the last of them.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createGateway } from 'tidegate'

const service = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
await once(service, 'listening')

let closed = () => {}
const firstIsClosed = new Promise((resolve) => {
  closed = resolve
})

// A group of one's own is any object with getResource.
const countingGroup = (name) => {
  let frames = 0
  const resource = { writeFunction: () => void frames++ }
  return {
    getResource: (_context, { id }) => ({
      resource,
      onClose: () => console.log(`${name}: connection ${id} is over`),
    }),
    close() {
      console.log(`${name} is closed after ${frames} frames`)
      if (name === 'first') closed()
    },
  }
}

const gateway = await createGateway(
  { listeners: [{ name: 'echo', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.address().port}` }] },
  { resourceGroup: countingGroup('first') },
)
const [{ address }] = gateway.listeners
const say = async (client, text) => {
  client.write(text)
  await once(client, 'data')
}
const end = async (client) => {
  client.end()
  await once(client, 'close')
}

const one = connect(address.port, address.host)
await say(one, 'before')
await gateway.updateResourceGroup(countingGroup('second'))
const two = connect(address.port, address.host)
await say(two, 'after')
await say(one, 'still the first')
await end(one)
await firstIsClosed
await end(two)
await gateway.close()
service.close()
