/** A gateway in a thread of an application's own, which says how it started and is ended by whoever started it. */

import { parentPort, workerData } from 'node:worker_threads'
import { createGateway } from '../../dist/index.js'

let chosen
const info = (fields, text) => {
  if (text === 'engine chosen') chosen = fields
}
const none = () => {}
const gateway = await createGateway(
  { workers: 1, listeners: [{ listen: '127.0.0.1:0', upstream: `127.0.0.1:${workerData}` }] },
  { logger: { debug: none, info, warn: none, error: none } },
)
parentPort.postMessage({ port: gateway.listeners[0].address.port, chosen })
