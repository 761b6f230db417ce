/** The thread that writes a recording. It ends when it is told to close, and with the process. */

import { parentPort, workerData } from 'node:worker_threads'
import { FileWriter } from '../../sinks/file/file-writer.js'
import { SectionSink } from './section-sink.js'
import { Writer } from './writer.js'
import type { WriterNews, WriterOrder, WriterStart } from './writer-link.js'

const start = (port: NonNullable<typeof parentPort>, { target, sectionStart, state }: WriterStart): void => {
  const writer = new Writer(new SectionSink(new FileWriter(target), sectionStart), state)
  const tell = (news: WriterNews): void => port.postMessage(news)
  port.on('message', (order: WriterOrder) => {
    if (order.kind === 'serve') return writer.serve(order.owner, order.seat)
    if (order.kind === 'leave')
      return writer.leave(order.owner, () => tell({ kind: 'left', owner: order.owner }))
    writer.close()
    port.close()
  })
  tell({ kind: 'ready' })
}

if (parentPort === null) throw new Error('this file is a thread of its own')
start(parentPort, workerData)
