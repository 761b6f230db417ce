// A program with a pool to the port in its argument, that forgets to close it: an idle connection must not keep it alive. Prints what
// it got.
import { once } from 'node:events'
import { ConnectionPool } from 'tidegate/pool'

const pool = new ConnectionPool({ address: `127.0.0.1:${process.argv[2]}`, min: 2 })
const answer = await pool.use(async (socket) => {
  socket.write('hello')
  return String((await once(socket, 'data'))[0])
})
console.log(answer)
