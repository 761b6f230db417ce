/** What starts the service of an upstream: a driver of ours, or the program's own. */

import type { Activator } from '../../ports/activator.js'
import type { WokenUpstream } from './settings.js'

/** `own`: the program's, by the upstream's name. */
export const activatorOf = (
  { name, wake }: WokenUpstream,
  own: Readonly<Record<string, Activator>>,
): Activator => {
  const custom = own[name]
  if (wake.driver.kind === 'custom' && custom !== undefined) return custom
  throw new Error(`nothing starts '${name}'`)
}
