// A service that notes which processes of it there are: a file `began-PID` for each, and a line in `overlaps` when it finds
// another one running. It greets each client with `pid N`, then echoes. Its arguments: port, ms until it listens, directory.
// It ignores the signal that WOKEN_IGNORES names, and listens no sooner than the file WOKEN_AWAITS is there.
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

const [port, delayMs, directory] = process.argv.slice(2)

const { WOKEN_IGNORES, WOKEN_AWAITS } = process.env
if (WOKEN_IGNORES) process.on(WOKEN_IGNORES, () => {})

const isAlive = (pid) => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

writeFileSync(join(directory, `began-${process.pid}`), '')
for (const name of readdirSync(directory)) {
  const pid = Number(/^began-(\d+)$/.exec(name)?.[1] ?? process.pid)
  if (pid !== process.pid && isAlive(pid))
    appendFileSync(join(directory, 'overlaps'), `${process.pid} found ${pid}\n`)
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.write(`pid ${process.pid}\n`)
  socket.pipe(socket)
})
const begin = () => {
  if (WOKEN_AWAITS && !existsSync(WOKEN_AWAITS)) setTimeout(begin, 5)
  else server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
}
setTimeout(begin, Number(delayMs))
