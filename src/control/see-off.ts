/**
 * Sees a client off whose upstream connection is to be taken back.
 *
 * A client that ends while no answer is outstanding has left, unless the upstream goes on talking: its FIN stays here, and once
 * the upstream has been silent for a while the connection goes back. One that ends right behind a request waits for the
 * answer: that is a half-close, and is relayed as one.
 */

import type { Link } from '../ports/engine.js'

export class SeeOff {
  readonly #quietMs: number
  readonly #onLeft: (link: Link) => void
  #timer: NodeJS.Timeout | null = null

  /** `onLeft`: the client has left, and nothing is on its way any more. */
  constructor(quietMs: number, onLeft: (link: Link) => void) {
    this.#quietMs = quietMs
    this.#onLeft = onLeft
  }

  /** The client's FIN is here, and not passed on yet. */
  clientEnded(link: Link): void {
    if (!link.isAnswered()) return
    link.keepEnd()
    if (this.#quietMs === 0) this.#onLeft(link)
    else this.#wait(link)
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #wait(link: Link): void {
    const heard = link.totals.downstream
    this.#timer = setTimeout(() => {
      if (link.isAnswered() && link.totals.downstream === heard) this.#onLeft(link)
      else this.#wait(link)
    }, this.#quietMs)
  }
}
