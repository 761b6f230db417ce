/**
 * A gateway in a process of its own, which tells its parent of its log and its connections' ends, and does what the parent
 * says.
 */

import { BroadcastChannel } from 'node:worker_threads'
import { createGateway } from '../../../dist/index.js'

const channel = new BroadcastChannel('made-to-fail')
channel.unref()

const tell = (message) => process.connected && process.send(message)
const say = (level) => (fields, text) => tell({ type: 'log', level, fields, text })
const logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
const onClose = ({ id, reason, client, error }) =>
  tell({ type: 'closed', id, reason, port: client.port, error: error?.message ?? null })

try {
  const observers = process.env.TELL_CLOSED === 'no' ? [] : [{ onClose }]
  const gateway = await createGateway(JSON.parse(process.argv[2]), { logger, observers })
  process.on('message', async ({ type, ...rest }) => {
    if (type === 'fail') channel.postMessage(rest)
    if (type === 'look') {
      const connections = gateway.connections().map(({ id, client }) => ({ id, port: client.port }))
      const { listeners, upstreams } = gateway.counters()
      tell({ type: 'look', counters: listeners, upstreams, connections })
    }
    if (type === 'close') {
      await gateway.close()
      // Nothing else holds the process: whether it ends now is up to the gateway.
      process.disconnect()
    }
  })
  tell({ type: 'listening', port: gateway.listeners[0].address.port })
} catch (error) {
  tell({ type: 'failed', code: error.code, message: error.message })
  process.disconnect()
}
