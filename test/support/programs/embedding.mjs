// A program that has a gateway inside. Its arguments: the gateway's config as JSON, and what it does: 'exit in HOOK' calls
// process.exit(7) in that hook; 'find routes slowly' does so; 'watch bytes', too, so that its main thread serves; 'wait' does what the lines on its standard input say: 'throw', or 'spawn', which prints the
// descriptors that a child process has; 'look up' finds as many addresses of any name as 'addresses N' said last, at first one, and prints its log. Prints the port once it listens.
import { execFile } from 'node:child_process'
import { createInterface } from 'node:readline'
import { createGateway } from 'tidegate'

const [config, does] = process.argv.slice(2)
const exit = () => process.exit(7)
const ROUTE_MS = 300
let addresses = 1
const print = (level) => (fields, msg) => console.log(JSON.stringify({ level, msg, ...fields }))
const logger = { debug: () => {}, info: print('info'), warn: print('warn'), error: print('error') }
const hooks = {
  'find routes slowly': { connectTarget: () => new Promise((found) => setTimeout(found, ROUTE_MS)) },
  'watch bytes': { observers: [{ onData: () => {} }] },
  'exit in connectTarget': { connectTarget: exit },
  'exit in onOpen': { observers: [{ onOpen: exit }] },
  'exit in onClose': { observers: [{ onClose: exit }] },
  wait: {},
  'look up': { lookup: async () => Array.from({ length: addresses }, (_, n) => `127.0.1.${n + 1}`), logger },
}
const gateway = await createGateway(JSON.parse(config), hooks[does])

const orders = {
  addresses: (count) => (addresses = Number(count)),
  throw: () => {
    throw new Error('nobody catches this')
  },
  spawn: () =>
    execFile('ls', ['-l', '/proc/self/fd'], (error, stdout) =>
      console.log(JSON.stringify(error?.message ?? stdout)),
    ),
}
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [order, ...rest] = line.split(' ')
    orders[order](...rest)
  })
  .on('close', () => process.exit(0))

console.log(JSON.stringify(gateway.listeners[0].address.port))
