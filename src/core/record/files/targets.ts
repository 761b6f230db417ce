/** Which file a connection's packets go to: one for all, or one for each value that the template splits by. */

import type { OpenAnnotation } from '../annotation.js'
import type { KnownConnection } from './connections.js'
import { clientName, safeName } from './safe-name.js'
import type { TemplateValues, ValueName } from './template.js'

export interface FileTarget {
  readonly key: string
  readonly values: TemplateValues
  /** The current one. */
  file: TargetFile | null
  /** Connections that go there. */
  users: number
}

/** A file that is being written, as far as its contents go. */
export class TargetFile {
  readonly target: FileTarget
  /** Connections that it has been told of, and that have not ended. */
  readonly connections = new Set<KnownConnection>()
  /** Bytes, with those of the write that is under way. */
  size = 0
  /** It has to be ended then; infinite where no time is set. */
  readonly endsAtMs: number

  constructor(target: FileTarget, endsAtMs: number) {
    this.target = target
    this.endsAtMs = endsAtMs
  }
}

const UNKNOWN = 'unknown'

export class Targets {
  readonly #splitsBy: readonly ValueName[]
  readonly #byKey = new Map<string, FileTarget>()

  constructor(splitsBy: readonly ValueName[]) {
    this.#splitsBy = splitsBy
  }

  of(open: OpenAnnotation): FileTarget {
    return this.#get({ client: clientName(open.client), listener: safeName(open.listener) })
  }

  /** For packets of connections that were never opened: there are none, unless somebody else's packets are stored. */
  unknown(): FileTarget {
    return this.#get({ client: UNKNOWN, listener: UNKNOWN })
  }

  /** Those with a current file, the one that was begun or used first before the others. */
  *withFiles(): Iterable<FileTarget & { readonly file: TargetFile }> {
    for (const target of this.#byKey.values()) if (hasFile(target)) yield target
  }

  /** Forgets those that nobody goes to any more. */
  tidy(): void {
    for (const target of this.#byKey.values())
      if (target.file === null && target.users === 0) this.#byKey.delete(target.key)
  }

  #get(values: TemplateValues): FileTarget {
    const key = this.#splitsBy.map((name) => values[name]).join('/')
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const target: FileTarget = { key, values, file: null, users: 0 }
    this.#byKey.set(key, target)
    return target
  }
}

const hasFile = (target: FileTarget): target is FileTarget & { readonly file: TargetFile } =>
  target.file !== null
