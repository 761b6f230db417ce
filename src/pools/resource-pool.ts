/** The resource pool of the library: the core's, on Node's clock. */

import type { Clock } from '../core/pool/clock.js'
import {
  type ResourcePoolOptions as CoreOptions,
  ResourcePool as CorePool,
} from '../core/pool/resource-pool.js'
import { nodeClock } from './node-clock.js'
import { warn } from './warn.js'

export interface ResourcePoolOptions extends CoreOptions {
  /** Another clock than Node's, for tests: `FakeClock` of `tidegate/testing`. */
  readonly clock?: Clock
}

/**
 * Slots shared by any number of resources, never more than `max` of which exist at a time.
 * A release that fails where nobody awaits it is a warning of the process, unless there is an `onReleaseError`.
 */
export class ResourcePool extends CorePool {
  /** @throws TidegateError `value_invalid`. */
  constructor({ clock = nodeClock, ...options }: ResourcePoolOptions) {
    super({ onReleaseError: (error) => warn(error.message), ...options }, clock)
  }
}
