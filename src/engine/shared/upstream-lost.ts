/** Asks whoever watches a link whether its client is to be kept, now that only its upstream is lost. */

import type { LinkObserver } from '../../ports/engine.js'
import { hookError } from './errors.js'

/** One that throws is told by `failed`, which ends the link: then there is nothing to keep, and nothing more to do. */
export const wantsClient = (observer: LinkObserver, failed: (error: Error) => void): boolean => {
  try {
    return observer.onUpstreamLost?.() === true
  } catch (thrown) {
    failed(hookError('onUpstreamLost', thrown))
    return true
  }
}
