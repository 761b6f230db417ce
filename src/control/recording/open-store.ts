/** Stores as plain data, which travel to the writer thread, and how they are opened there. */

import type { MessagePort } from 'node:worker_threads'
import type { Store, StoreHost } from '../../ports/store.js'
import { type FileTarget, FileWriter, type WriterOptions } from '../../sinks/file/file-writer.js'
import { type FilesSpec, openFilesStore } from '../../sinks/files/open-files.js'
import { RemindingStore } from './reminding-store.js'
import { SectionStore } from './section-store.js'
import { openSpoolStore, type SpoolStoreSpec } from './spool.js'

/** One file, opened already. */
export interface FileStoreSpec {
  readonly kind: 'file'
  readonly target: FileTarget
  readonly options?: WriterOptions
}

/** Many files, in a folder that is there. */
export interface FilesStoreSpec extends FilesSpec {
  readonly kind: 'files'
}

export type StoreSpec = FileStoreSpec | FilesStoreSpec | SpoolStoreSpec | OwnStoreSpec

/** What of a spec has to be transferred with it. */
export const storePorts = (store: StoreSpec): readonly MessagePort[] =>
  store.kind === 'spool' && store.sink.kind === 'port' ? [store.sink.port] : []
/** On the thread of whoever starts the writer, who knows it. */
export interface OwnStoreSpec {
  readonly kind: 'own'
}

export interface StoreStart {
  readonly where: string
  readonly store: StoreSpec
  /** Each section has to begin with it. */
  readonly sectionStart: Uint8Array
  /** UUID of this run of the gateway. */
  readonly recording: string
  /** What the recorders' sequence numbers begin from. */
  readonly sequenceSalt: number
}

/** @throws TidegateError (rejects) saying why it cannot be opened. */
export const openStore = async (start: StoreStart, host: StoreHost): Promise<Store> => {
  const { store, sectionStart, sequenceSalt } = start
  switch (store.kind) {
    case 'file': {
      const file = new SectionStore(new FileWriter(store.target, host, store.options), sectionStart)
      return new RemindingStore(file, sequenceSalt)
    }
    case 'files':
      // Each of them begins with a section's start.
      return openFilesStore({ ...store, sectionStart, sequenceSalt }, host)
    case 'spool':
      return openSpoolStore(store, { where: start.where, sectionStart, sequenceSalt, host })
    case 'own':
      throw new Error('this store is on another thread')
  }
}
