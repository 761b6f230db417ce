// A write function that feeds PostgreSQL: one row per frame. Frames of a client come one at a time and in order, so a slow database
// slows what it cannot take (or whatever `overload` says). Needs the package `pg`:
//
//     node write-function-postgres.mjs postgres://user@127.0.0.1/database
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createGateway } from 'tidegate'
import { createDefaultResourceGroup, decodeGogetwayFrame } from 'tidegate/record'

const fail = (why) => {
  console.error(`${why}; usage: node write-function-postgres.mjs postgres://USER@HOST/DATABASE`)
  process.exit(2)
}

const [connectionString] = process.argv.slice(2)
if (!/^postgres(ql)?:\/\//.test(connectionString)) fail('the URL of a database is missing')
const { default: pg } = await import('pg').catch(() => fail("the package pg is missing: 'npm install pg'"))
const database = new pg.Pool({ connectionString, max: 4 })
await database
  .query(`
    CREATE TABLE IF NOT EXISTS frame (
      id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz, sender text, receiver text, said bytea
    )`)
  .catch(({ code, message }) => fail(`the database cannot be used: ${message || code}`))

const group = createDefaultResourceGroup({
  writeFunction: async (framed, { fromIp, toIp }) => {
    const { timeNs, body } = decodeGogetwayFrame(framed)
    const at = new Date(Number(timeNs / 1_000_000n))
    await database.query('INSERT INTO frame (at, sender, receiver, said) VALUES ($1, $2, $3, $4)', [
      at,
      fromIp,
      toIp,
      Buffer.from(body),
    ])
  },
})

const service = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
await once(service, 'listening')
const gateway = await createGateway(
  { listeners: [{ name: 'echo', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.address().port}` }] },
  { resourceGroup: group, resourceOptions: { overload: 'block' } },
)
const [{ address }] = gateway.listeners

for (const text of ['one', 'two', 'three']) {
  const client = connect(address.port, address.host)
  client.write(text)
  await once(client, 'data')
  client.end()
  await once(client, 'close')
}
// Returns when the last frame has been taken.
await gateway.close()
service.close()

const { rows } = await database.query(`
  SELECT convert_from(said, 'UTF8') AS text, count(*)::int AS frames FROM frame GROUP BY text ORDER BY text`)
for (const { text, frames } of rows) console.log(`${text}: ${frames} frames`)
console.log('failures:', gateway.counters().resources.functionFailures)
await database.end()
