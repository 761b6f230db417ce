/** Stores as plain data, which travel to the writer thread, and how they are opened there. */

import type { MessagePort } from 'node:worker_threads'
import type { Store, StoreHost } from '../../ports/store.js'
import { type FileTarget, FileWriter } from '../../sinks/file/file-writer.js'
import { SectionStore } from './section-store.js'
import { openSpoolStore, type SpoolStoreSpec } from './spool.js'

/** One file, opened already. */
export interface FileStoreSpec {
  readonly kind: 'file'
  readonly target: FileTarget
}

/** On the thread of whoever starts the writer, who knows it. */
export interface OwnStoreSpec {
  readonly kind: 'own'
}

export type StoreSpec = FileStoreSpec | SpoolStoreSpec | OwnStoreSpec

/** What of a spec has to be transferred with it. */
export const storePorts = (store: StoreSpec): readonly MessagePort[] =>
  store.kind === 'spool' && store.sink.kind === 'port' ? [store.sink.port] : []

export interface StoreStart {
  readonly where: string
  readonly store: StoreSpec
  /** Each section has to begin with it. */
  readonly sectionStart: Uint8Array
  /** UUID of this run of the gateway. */
  readonly recording: string
}

/** @throws TidegateError (rejects) saying why it cannot be opened. */
export const openStore = async (start: StoreStart, host: StoreHost): Promise<Store> => {
  const { store, sectionStart, where } = start
  switch (store.kind) {
    case 'file':
      return new SectionStore(new FileWriter(store.target), sectionStart)
    case 'spool':
      return openSpoolStore(store, { where, sectionStart, host })
    case 'own':
      throw new Error('this store is on another thread')
  }
}
