/** Recordings whose writer is on the test's own thread, and writes to a sink of the test's. */

import type { ConnectionTap, Recording, RecordingOptions } from '../../../src/control/recording/recording.js'
import { startSeat } from '../../../src/control/recording/seat-recording.js'
import { SectionSink } from '../../../src/control/recording/section-sink.js'
import { openRecordingSite, type RecordingSite } from '../../../src/control/recording/site.js'
import { Writer } from '../../../src/control/recording/writer.js'
import type { StartWriter } from '../../../src/control/recording/writer-link.js'
import type { Sink } from '../../../src/ports/sink.js'
import type { FileSink } from '../../../src/sinks/file/file-sink.js'
import { openAccount } from '../../../src/sinks/file/file-writer.js'

export interface RigOptions extends Omit<RecordingOptions, 'sink' | 'listeners' | 'application'> {
  readonly onSinkClose?: () => void | Promise<void>
}

const writerInto =
  (sink: Sink): StartWriter =>
  async ({ sectionStart, state }, { onLeft }) => {
    const writer = new Writer(new SectionSink(sink, sectionStart), state)
    let resolve = (): void => {}
    const ended = new Promise<void>((done) => {
      resolve = done
    })
    return {
      ended,
      serve: (owner, seat) => writer.serve(owner, seat),
      leave: (owner) => writer.leave(owner, () => onLeft(owner)),
      close: () => {
        writer.close()
        resolve()
      },
    }
  }

export const openRig = (sink: Sink, { onSinkClose, ...options }: RigOptions = {}): Promise<RecordingSite> => {
  const file: FileSink = {
    target: { where: sink.where, descriptor: -1, account: openAccount(0) },
    appended: false,
    created: true,
    repairedBytes: 0,
    close: async () => onSinkClose?.(),
  }
  const listeners = [{ name: 'one', description: '' }]
  const all = {
    sink: file,
    listeners,
    application: 'tidegate test',
    maxBufferedBytes: 1024 * 1024,
    ...options,
  }
  return openRecordingSite(all, writerInto(sink))
}

/** The main thread's recording, with its site, as one. */
export const soleRecording = (site: RecordingSite): Recording => {
  const recording = startSeat(site.seat(0))
  let closing: ReturnType<Recording['close']> | undefined
  const close = async (timeoutMs?: number) => {
    await recording.close(timeoutMs)
    return site.close(timeoutMs)
  }
  return {
    open: (connection, link): ConnectionTap => recording.open(connection, link),
    counters: () => site.counters(),
    close: (timeoutMs) => {
      closing ??= close(timeoutMs)
      return closing
    },
  }
}
