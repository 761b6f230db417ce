// updateResourceGroup while clients talk: those that come get the new group; those that are there keep theirs, which is
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
  let connections = 0
  const resource = { writeFunction: () => void frames++ }
  return {
    getResource: () => ({ resource, onClose: () => void connections++ }),
    close() {
      console.log(`${name} is closed after ${connections} connections, ${frames} frames`)
      if (name === 'first') closed()
    },
  }
}

const gateway = await createGateway(
  { listeners: [{ name: 'echo', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.address().port}` }] },
  { resourceGroup: countingGroup('first') },
)
const [{ address }] = gateway.listeners
const clients = (count) => Array.from({ length: count }, () => connect(address.port, address.host))
const say = async (client) => {
  client.write('hello')
  await once(client, 'data')
}
const talk = async (client, times) => {
  for (let n = 0; n < times; n++) await say(client)
}
const end = async (client) => {
  client.end()
  await once(client, 'close')
}

const early = clients(4)
await Promise.all(early.map(say))
// They go on talking all the while.
const busy = Promise.all(early.map((client) => talk(client, 99)))
await gateway.updateResourceGroup(countingGroup('second'))
const late = clients(4)
await Promise.all(late.map((client) => talk(client, 10)))
await busy
await Promise.all(early.map(end))
await firstIsClosed
await Promise.all(late.map(end))
await gateway.close()
service.close()
