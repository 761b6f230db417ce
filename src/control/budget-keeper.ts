/** A gateway's descriptor budget: planned for each config it takes over, and anew when names have other addresses; told in the log. */

import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig } from '../config/config.js'
import type { BudgetPlan } from '../core/budget/plan.js'
import type { Logger } from '../ports/logger.js'
import {
  type DescriptorFigures,
  type EngineNeeds,
  type FittedPlan,
  fitFor,
  overbooked,
  planFor,
  type SizeOf,
} from './descriptors.js'

export class BudgetKeeper {
  readonly #figures: DescriptorFigures | null
  readonly #engine: EngineNeeds
  readonly #logger: Logger
  #told: BudgetPlan | null = null
  /** By upstream: what its pool keeps ready in place of `min`. */
  #lowered: ReadonlyMap<string, number> = new Map()

  /** `figures`: from before anything was opened; null: not known, and nothing is planned. */
  constructor(figures: DescriptorFigures | null, engine: EngineNeeds, logger: Logger) {
    this.#figures = figures
    this.#engine = engine
    this.#logger = logger
  }

  /** @throws ConfigError with figures: not one client could be served. */
  check(config: GatewayConfig): void {
    if (this.#figures !== null) planFor(config, this.#figures, this.#engine, 'config')
  }

  /** For a config that was checked, with the addresses that its upstreams have. */
  fit(config: GatewayConfig, sizeOf: SizeOf): FittedPlan | null {
    return this.#figures === null ? null : fitFor(config, this.#figures, this.#engine, sizeOf)
  }

  /** What a config that was taken over means. */
  tell(config: GatewayConfig, fitted: FittedPlan | null): void {
    if (fitted === null) {
      this.#logger.debug({}, 'no descriptors planned: this system does not tell how many there may be')
      return
    }
    this.#tellPlan(fitted.plan)
    this.#tellLowered(config, fitted)
    const tooMany = overbooked(config, fitted.plan)
    if (tooMany !== null) this.#logger.warn({}, tooMany)
  }

  /** What other addresses mean, if anything. */
  tellChange(config: GatewayConfig, fitted: FittedPlan): void {
    if (!isDeepStrictEqual(fitted.plan, this.#told)) this.#tellPlan(fitted.plan)
    this.#tellLowered(config, fitted)
  }

  #tellPlan(plan: BudgetPlan): void {
    const { limit, reserved, totalReserved, pools, clients } = plan
    this.#told = plan
    this.#logger.info({ limit, reserved: totalReserved, pools, clients }, 'descriptors planned')
    this.#logger.debug({ ...reserved }, 'descriptors reserved')
  }

  #tellLowered({ upstreams }: GatewayConfig, { plan, warm, room }: FittedPlan): void {
    const before = this.#lowered
    const lowered = new Map<string, number>()
    for (const { name: upstream, pool } of Object.values(upstreams)) {
      const min = warm.get(upstream) ?? pool.min
      if (pool.mode === 'off' || min === pool.min) {
        if (before.has(upstream)) this.#logger.info({ upstream, min: pool.min }, 'pool.min is kept again')
        continue
      }
      lowered.set(upstream, min)
      if (before.get(upstream) === min) continue
      this.#logger.warn(
        { upstream, wanted: pool.min, min },
        `its names have so many addresses that pool.min is lowered from ${pool.min} to ${min}: of ${plan.limit} ` +
          `descriptors ${room} are left for pools; raise the limit (ulimit -n) or lower pool.min`,
      )
    }
    this.#lowered = lowered
  }
}
