/** Stores as plain data, which travel to the writer thread, and how they are opened there. */

import type { Store, StoreHost } from '../../ports/store.js'
import { type FileTarget, FileWriter } from '../../sinks/file/file-writer.js'
import { SectionStore } from './section-store.js'

/** One file, opened already. */
export interface FileStoreSpec {
  readonly kind: 'file'
  readonly target: FileTarget
}

/** On the thread of whoever starts the writer, who knows it. */
export interface OwnStoreSpec {
  readonly kind: 'own'
}

export type StoreSpec = FileStoreSpec | OwnStoreSpec

export interface StoreStart {
  readonly store: StoreSpec
  /** Each section has to begin with it. */
  readonly sectionStart: Uint8Array
  /** UUID of this run of the gateway. */
  readonly recording: string
}

/** @throws TidegateError (rejects) saying why it cannot be opened. */
export const openStore = async ({ store, sectionStart }: StoreStart, _host: StoreHost): Promise<Store> => {
  if (store.kind === 'own') throw new Error('this store is on another thread')
  return new SectionStore(new FileWriter(store.target), sectionStart)
}
