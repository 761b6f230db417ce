/** Recordings whose writer is on the test's own thread, and writes to a sink of the test's. */

import type {
  ConnectionTap,
  OpenedStore,
  Recording,
  RecordingOptions,
} from '../../../src/control/recording/recording.js'
import { startSeat } from '../../../src/control/recording/seat-recording.js'
import { SectionStore } from '../../../src/control/recording/section-store.js'
import { openRecordingSite, type RecordingSite } from '../../../src/control/recording/site.js'
import { Writer } from '../../../src/control/recording/writer.js'
import type { StartWriter } from '../../../src/control/recording/writer-link.js'
import type { WholeStore } from '../../../src/ports/store.js'
import { openFileSink } from '../../../src/sinks/file/file-sink.js'
import { openAccount } from '../../../src/sinks/file/file-writer.js'

export interface RigOptions extends Omit<RecordingOptions, 'store' | 'listeners' | 'application'> {
  readonly onSinkClose?: () => void | Promise<void>
}

const writerInto =
  (sink: WholeStore): StartWriter =>
  async ({ sectionStart, state }, { onLeft }) => {
    const writer = new Writer(new SectionStore(sink, sectionStart), state)
    let resolve = (): void => {}
    const ended = new Promise<void>((done) => {
      resolve = done
    })
    return {
      ended,
      serve: (owner, seat) => writer.serve(owner, seat),
      leave: (owner) => writer.leave(owner, () => onLeft(owner)),
      close: (timeoutMs) => {
        void writer.close(timeoutMs).then(resolve)
      },
    }
  }

export const openRig = (
  sink: WholeStore,
  { onSinkClose, ...options }: RigOptions = {},
): Promise<RecordingSite> => {
  const target = { where: sink.where, descriptor: -1, account: openAccount(0) }
  const store: OpenedStore = {
    where: sink.where,
    spec: { kind: 'file', target },
    close: async () => onSinkClose?.(),
  }
  const listeners = [{ name: 'one', description: '' }]
  const all = {
    store,
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

/** A real file as a store. */
export const openFileStore = async (file: string): Promise<OpenedStore> => {
  const sink = await openFileSink(file)
  return { where: file, spec: { kind: 'file', target: sink.target }, close: () => sink.close() }
}
