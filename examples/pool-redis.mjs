// A pool of connections to Redis: warm before the first request, never more than three, each logged in before it is used.
// Runs against a stand-in, or against a real one: node examples/pool-redis.mjs 127.0.0.1:6379
import { once } from 'node:events'
import { createServer } from 'node:net'
import { ConnectionPool, parseAddress, tcpDialer } from 'tidegate/pool'

/** Sends one command and resolves with its answer, if that is a simple string, a number, or a short bulk string. */
const command = async (socket, ...words) => {
  socket.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`)
  let answer = ''
  do answer += (await once(socket, 'data'))[0]
  while (!answer.endsWith('\r\n') || /^\$\d+\r\n$/.test(answer))
  if (answer.startsWith('-')) throw new Error(answer.slice(1).trim())
  return answer.replace(/^\$\d+\r\n|^[+:]/, '').trim()
}

// Stands in for the Redis that you already run: counts, and knows four commands.
const counts = new Map()
const count = (key) => counts.set(key, (counts.get(key) ?? 0) + 1).get(key)
const standIn = createServer((socket) =>
  socket.on('data', (chunk) => {
    const [, , name, , key] = String(chunk).split('\r\n')
    const answers = { CLIENT: '+OK', DEL: ':1', INCR: `:${name === 'INCR' && count(key)}` }
    socket.write(`${answers[name] ?? '-ERR unknown command'}\r\n`)
  }),
)

const fail = ({ message }) => {
  console.error(`${message}; usage: node examples/pool-redis.mjs [HOST:PORT of a Redis]`)
  process.exit(2)
}

const [redis] = process.argv.slice(2)
try {
  if (redis === undefined) await once(standIn.listen(0, '127.0.0.1'), 'listening')
  else parseAddress(redis)
} catch (error) {
  fail(error)
}

const pool = new ConnectionPool({
  address: redis ?? `127.0.0.1:${standIn.address().port}`,
  min: 1,
  max: 3,
  acquireTimeoutMs: 2000,
  // What every connection needs once is done here: AUTH, SELECT, a greeting to be read.
  async dial(context) {
    const socket = await tcpDialer()(context)
    await command(socket, 'CLIENT', 'SETNAME', 'example')
    return socket
  },
})

let [open, most] = [0, 0]
pool.on('connected', () => {
  most = Math.max(most, ++open)
})
pool.on('closed', () => open--)

await pool.use((socket) => command(socket, 'DEL', 'visits')).catch(fail)

// A hundred at once share three connections. One that fails or is not read to its end would be closed, not reused.
const visits = await Promise.all(
  Array.from({ length: 100 }, () => pool.use((socket) => command(socket, 'INCR', 'visits'))),
)
console.log('the last visit was number', Math.max(...visits.map(Number)))

// The same without `use`; TypeScript and Node 24 have `await using connection = await pool.acquire()` for it.
const connection = await pool.acquire()
console.log('one more:', await command(connection.socket, 'INCR', 'visits'))
connection.release()

const failure = await pool.use((socket) => command(socket, 'NONSENSE')).catch((error) => error.message)
console.log('a mistake:', failure.split(/[ ,]/, 3).join(' '))

const { taken, inUse, waiting } = pool.counters()
console.log({ taken, inUse, waiting, mostConnections: most })
await pool.drain()
standIn.close()
