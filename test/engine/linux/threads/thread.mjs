/**
 * One thread with an engine of its own, as its parent wants it: accepts from a shared listener, and does with each
 * connection what `mode` says. Runs the built code, since a worker thread has no compiler.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { createLinuxEngine } from '../../../../build/engine/linux/engine.js'

const { seat, listener } = workerData
const engine = createLinuxEngine(seat)
const tell = (message) => parentPort.postMessage(message)

const NO_LIMITS = { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 }

const echo = async (conn) => {
  for (;;) {
    const bytes = await conn.read(65_536, 0)
    if (bytes.length === 0) break
    await conn.write(bytes)
  }
  conn.end()
}

const relay = (conn) =>
  engine.dial(workerData.upstream, { timeoutMs: 5000 }, (error, upstream) => {
    if (error !== null) conn.reset()
    else engine.link(conn, upstream, { onEnd: (end) => tell({ ended: end.reason }) }, NO_LIMITS)
  })

const modes = {
  hold: () => {},
  echo: (conn) => void echo(conn).catch(() => {}),
  relay,
  release: (conn) => tell({ loose: engine.release(conn) }),
  greet: (conn) => {
    // Something has been read, more may come: the rest goes to another thread.
    conn.read(1, 0).then((bytes) => tell({ read: bytes, loose: engine.release(conn) }))
  },
}

const { mode } = workerData
let listening = null

const onAccept = (conn) => {
  tell({ accepted: conn.remote.port })
  modes[mode](conn)
}

const commands = {
  stop: async () => {
    await listening.close()
    tell({ done: 'stop' })
  },
  pause: () => {
    listening.pause()
    tell({ done: 'pause' })
  },
  resume: () => listening.resume(),
  throw: () => {
    throw new Error('made to throw')
  },
  reject: () => void Promise.reject(new Error('made to reject')),
  exit: () => process.exit(3),
  end: async () => {
    await engine.close()
    parentPort.close()
  },
  /** Nothing but the engine could keep this thread alive from here on. */
  leaveAlone: () => {
    tell({ done: 'leaveAlone' })
    parentPort.unref()
  },
  receive: ({ socket }) => {
    const conn = engine.receive(socket)
    tell({ received: conn.remote.port })
    modes[mode](conn)
  },
}

parentPort.on('message', (message) => commands[message.do](message))
if (listener !== null) listening = engine.accept(listener, onAccept)
tell({ done: 'start' })
