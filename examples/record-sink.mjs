// A sink of your own takes what is recorded: here a file of JSON lines. Any database or queue works the same way; docs/sinks.md
// says what a sink has to keep to, and `sinkCompliance` of tidegate/testing checks it.
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGateway, frameId } from 'tidegate'

class JsonLinesSink {
  #file = null

  constructor(path) {
    this.where = path
  }

  // Called before the first batch, and again after any failure: whatever is left of an earlier try has to go.
  async open() {
    await this.#file?.close()
    this.#file = await open(this.where, 'a+', 0o600)
    const whole = (await this.#file.readFile()).lastIndexOf(10) + 1
    await this.#file.truncate(whole) // a kill may have torn the last line
  }

  // Resolves only when the whole batch is stored for good: then the gateway forgets it. If it rejects, the same batch comes again.
  async write(batch) {
    const lines = batch.map(
      (record) => `${JSON.stringify(record.kind === 'data' ? frame(record) : record, plain)}\n`,
    )
    await this.#file.appendFile(lines.join(''))
    await this.#file.datasync()
  }

  async close() {
    await this.#file?.close()
    this.#file = null
  }
}

// After a failure the same bytes may be there twice, but always under the same id.
const frame = (record) => ({
  ...record,
  id: frameId(record),
  bytes: Buffer.from(record.bytes).toString('base64'),
})
const plain = (_, value) => (typeof value === 'bigint' ? String(value) : value)

const folder = await mkdtemp(join(tmpdir(), 'tidegate-example-'))
const service = createServer((socket) =>
  socket.on('data', (data) => socket.write(String(data).toUpperCase())),
)
service.on('connection', (socket) => socket.on('end', () => socket.end())).listen(0, '127.0.0.1')
await once(service, 'listening')

const file = join(folder, 'traffic.jsonl')
const gateway = await createGateway(
  {
    listeners: [{ name: 'shout', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.address().port}` }],
    // What the sink has not taken yet waits on disk, and after a crash is delivered by the next start.
    record: { spool: { dir: join(folder, 'spool'), size: '64MiB' }, overload: 'block' },
  },
  { sink: new JsonLinesSink(file) },
)
const [{ address }] = gateway.listeners

const client = connect(address.port, address.host)
client.write('hello')
console.log('answer:', String((await once(client, 'data'))[0]))
client.end()
await once(client, 'close')

await gateway.close()
console.log('waiting in the spool:', gateway.counters().recording.sink.spooledBytes)
for (const line of (await readFile(file, 'utf8')).trimEnd().split('\n')) {
  const { kind, connection, direction = '', bytes = '', reason = '' } = JSON.parse(line)
  console.log(
    `#${connection} ${kind} ${direction} ${Buffer.from(bytes, 'base64')}${reason}`.replace(/ +/g, ' ').trim(),
  )
}
service.close()
await rm(folder, { recursive: true })
