// A program that has a recording gateway inside, and says what the recording has acknowledged. Its argument: the gateway's
// config as JSON. Its log is on its standard error. Ends in order, with 0, at SIGTERM.
// Tells its parent { port } once it listens, and then again and again { storedBytes, seenBytes }: what is stored by then, of what has been relayed.
import { createGateway } from 'tidegate'

const EVERY_MS = 5

const print = (level) => (fields, msg) => console.error(JSON.stringify({ level, msg, ...fields }))
const logger = { debug: () => {}, info: () => {}, warn: print('warn'), error: print('error') }
const gateway = await createGateway(JSON.parse(process.argv[2]), { logger })
const timer = setInterval(() => {
  if (!process.connected) return
  const { storedBytes, seenBytes } = gateway.counters().recording
  process.send({ storedBytes, seenBytes })
}, EVERY_MS)
process.on('SIGTERM', async () => {
  clearInterval(timer)
  await gateway.close({ drainTimeoutMs: 0 })
  process.exit(0)
})
// Last: whoever hears it may send the signal at once.
process.send({ port: gateway.listeners[0].address.port })
