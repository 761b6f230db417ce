/** The thread that writes a recording. It ends when it is told to close and its store has done so, and with the process. */

import { parentPort, workerData } from 'node:worker_threads'
import { plainError } from '../workers/plain-error.js'
import { openStore } from './open-store.js'
import { Writer } from './writer.js'
import type { WriterNews, WriterOrder, WriterStart } from './writer-link.js'

const start = async (port: NonNullable<typeof parentPort>, data: WriterStart): Promise<void> => {
  const tell = (news: WriterNews): void => port.postMessage(news)
  const store = await openStore(data, {
    log: (level, fields, message) => tell({ kind: 'line', level, fields, message }),
    figures: data.figures,
  })
  const writer = new Writer(store, data.state)
  port.on('message', (order: WriterOrder) => {
    if (order.kind === 'serve') return writer.serve(order.owner, order.seat)
    if (order.kind === 'leave')
      return writer.leave(order.owner, () => tell({ kind: 'left', owner: order.owner }))
    void writer.close(order.timeoutMs).finally(() => port.close())
  })
  tell({ kind: 'ready' })
}

const refuse = (port: NonNullable<typeof parentPort>, thrown: unknown): void => {
  const news: WriterNews = { kind: 'failed', error: plainError(thrown) }
  port.postMessage(news)
  port.close()
}

if (parentPort === null) throw new Error('this file is a thread of its own')
const port = parentPort
await start(port, workerData).catch((thrown: unknown) => refuse(port, thrown))
