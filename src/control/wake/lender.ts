import type { Engine } from '../../ports/engine.js'
import { type EngineChoice, lendingEngine } from '../engine-choice.js'

/** Of the engine that lends listeners to processes: the chosen one, or another, made when it is first needed. */
export class Lender {
  readonly #choice: EngineChoice
  #engine: Engine | null = null

  constructor(choice: EngineChoice) {
    this.#choice = choice
  }

  /** @throws TidegateError `engine_unavailable` */
  engine(): Engine {
    this.#engine ??= lendingEngine(this.#choice)
    return this.#engine
  }

  /** The chosen one is its plane's. */
  async close(): Promise<void> {
    if (this.#engine !== this.#choice.engine) await this.#engine?.close()
  }
}
