/** One `read` that waits for bytes: it settles once, by whichever comes first, and its timer goes with it. */

import type { Address } from '../../core/address.js'
import { readTimeout } from './errors.js'

export class PendingRead {
  readonly maxBytes: number
  readonly #timer: NodeJS.Timeout | undefined
  readonly #resolve: (bytes: Uint8Array) => void
  readonly #reject: (error: Error) => void
  readonly #onSettled: () => void

  /** `timeoutMs` 0: no limit. */
  constructor(
    remote: Address,
    maxBytes: number,
    timeoutMs: number,
    resolve: (bytes: Uint8Array) => void,
    reject: (error: Error) => void,
    onSettled: () => void,
  ) {
    this.maxBytes = maxBytes
    this.#resolve = resolve
    this.#reject = reject
    this.#onSettled = onSettled
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.fail(readTimeout(remote, timeoutMs)), timeoutMs)
  }

  succeed(bytes: Uint8Array): void {
    this.#settle()
    this.#resolve(bytes)
  }

  fail(error: Error): void {
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    clearTimeout(this.#timer)
    this.#onSettled()
  }
}
