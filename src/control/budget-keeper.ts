/** A gateway's descriptor budget: planned for each config it takes over, and told in the log. */

import type { GatewayConfig } from '../config/config.js'
import type { BudgetPlan } from '../core/budget/plan.js'
import type { Logger } from '../ports/logger.js'
import { type DescriptorFigures, type EngineNeeds, overbooked, planFor } from './descriptors.js'

export class BudgetKeeper {
  readonly #figures: DescriptorFigures | null
  readonly #engine: EngineNeeds
  readonly #logger: Logger

  /** `figures`: from before anything was opened; null: not known, and nothing is planned. */
  constructor(figures: DescriptorFigures | null, engine: EngineNeeds, logger: Logger) {
    this.#figures = figures
    this.#engine = engine
    this.#logger = logger
  }

  /** Null: nothing is known of this system. @throws ConfigError with figures: not one client could be served. */
  plan(config: GatewayConfig): BudgetPlan | null {
    return this.#figures === null ? null : planFor(config, this.#figures, this.#engine, 'config')
  }

  tell(config: GatewayConfig, plan: BudgetPlan | null): void {
    if (plan === null) {
      this.#logger.debug({}, 'no descriptors planned: this system does not tell how many there may be')
      return
    }
    const { limit, reserved, totalReserved, pools, clients } = plan
    this.#logger.info({ limit, reserved: totalReserved, pools, clients }, 'descriptors planned')
    this.#logger.debug({ ...reserved }, 'descriptors reserved')
    const tooMany = overbooked(config, plan)
    if (tooMany !== null) this.#logger.warn({}, tooMany)
  }
}
