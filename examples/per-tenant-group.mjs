// A resource group for each tenant: what the clients of one listener say goes to that tenant's own place, here a file in
// gogetway's format. Within a group each client has a resource of its own, shared by its connections.
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGateway } from 'tidegate'
import { createDefaultResourceGroup } from 'tidegate/record'
import { openRecording } from 'tidegate/recording'

const service = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
await once(service, 'listening')
const upstream = `127.0.0.1:${service.address().port}`

const folder = await mkdtemp(join(tmpdir(), 'tidegate-tenants-'))
const fileOf = (tenant) => join(folder, `${tenant}.gogetway`)
const groupOf = (tenant) =>
  createDefaultResourceGroup({ writer: createWriteStream(fileOf(tenant), { mode: 0o600 }), endWriter: true })

const tenants = ['blue', 'green']
const gateway = await createGateway(
  { listeners: tenants.map((name) => ({ name, listen: '127.0.0.1:0', upstream })) },
  { resourceGroups: Object.fromEntries(tenants.map((name) => [name, groupOf(name)])) },
)

for (const { name, address } of gateway.listeners) {
  const client = connect(address.port, address.host)
  client.write(`${name} was here`)
  await once(client, 'data')
  client.end()
  await once(client, 'close')
}
// Closes the groups, which wait until all is written.
await gateway.close()
service.close()

for (const tenant of tenants) {
  const recording = await openRecording(fileOf(tenant))
  for await (const event of recording.events())
    if (event.kind === 'data')
      console.log(`${tenant}: ${event.direction}`, new TextDecoder().decode(event.bytes))
}
await rm(folder, { recursive: true })
