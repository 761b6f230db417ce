/**
 * Taking delivered segments out of the spool. One that cannot be taken out (its folder forbids it, say) is said once, and keeps its
 * bytes of the spool, so that their bound stays true; it is tried again while the others are delivered.
 */

import { errnoOf, messageOf } from '../../errors.js'
import type { StoreHost } from '../../ports/store.js'

interface Removal<Segment> {
  readonly segment: Segment
  /** Removes it, or gives it another name. */
  readonly away: () => Promise<void>
}

export class Removals<Segment> {
  readonly #host: Pick<StoreHost, 'log'>
  readonly #onRemoved: (segment: Segment) => void
  #stuck: readonly Removal<Segment>[] = []

  constructor(host: Pick<StoreHost, 'log'>, onRemoved: (segment: Segment) => void) {
    this.#host = host
    this.#onRemoved = onRemoved
  }

  /** Some are to be tried again. */
  get areStuck(): boolean {
    return this.#stuck.length > 0
  }

  async remove(segment: Segment, path: string, away: () => Promise<void>): Promise<void> {
    const removal = { segment, away }
    const why = await this.#failureOf(removal)
    if (why === null) return
    this.#stuck = [...this.#stuck, removal]
    this.#host.log(
      'error',
      { path, why },
      `'${path}' cannot be removed: until it can, it takes room in the spool, and the next start delivers it again: ${why}`,
    )
  }

  async retry(): Promise<void> {
    const still: Removal<Segment>[] = []
    for (const removal of this.#stuck) if ((await this.#failureOf(removal)) !== null) still.push(removal)
    this.#stuck = still
  }

  /** Null: it is gone. */
  async #failureOf({ segment, away }: Removal<Segment>): Promise<string | null> {
    try {
      await away()
    } catch (error) {
      // Somebody else was faster.
      if (errnoOf(error) !== 'ENOENT') return errnoOf(error) ?? messageOf(error)
    }
    this.#onRemoved(segment)
    return null
  }
}
