/** What callers say of resource groups: whether it makes sense, and the recording that they get. */

import type { GatewayConfig } from '../config/config.js'
import { TidegateError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import type { ResourceOptions } from '../ports/resource-group.js'
import type { GatewayOptions } from './hooks.js'
import type { GroupRecording } from './recording/groups/group-recording.js'
import { describeRoute } from './settings.js'
import { VERSION } from './version.js'

type GroupOptions = Pick<GatewayOptions, 'resourceGroup' | 'resourceGroups' | 'resourceOptions'>

/** setTimeout's own limit. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

const invalid = (where: string, expected: string): TidegateError =>
  new TidegateError('value_invalid', `${where}: expected ${expected}`, { fault: 'usage', where })

/** @throws TidegateError `value_invalid` */
export const checkGroup = (where: string, group: unknown): void => {
  const expected = 'a resource group: { getResource(context, connection) }'
  if (typeof group !== 'object' || group === null) throw invalid(where, expected)
  if (!('getResource' in group) || typeof group.getResource !== 'function') throw invalid(where, expected)
}

const checkResourceOptions = (options: ResourceOptions): void => {
  const where = 'resourceOptions'
  if (typeof options !== 'object' || options === null)
    throw invalid(where, 'a mapping: { format, overload, maxBufferedBytes, closeTimeoutMs }')
  const { format, overload, maxBufferedBytes, closeTimeoutMs } = options
  if (format !== undefined && !['gogetway', 'pcapng'].includes(format))
    throw invalid(`${where}.format`, "'gogetway' or 'pcapng'")
  if (overload !== undefined && !['block', 'drop', 'disconnect'].includes(overload))
    throw invalid(`${where}.overload`, "'block', 'drop' or 'disconnect'")
  if (maxBufferedBytes !== undefined && !(Number.isSafeInteger(maxBufferedBytes) && maxBufferedBytes > 0))
    throw invalid(`${where}.maxBufferedBytes`, 'a whole number of bytes')
  if (closeTimeoutMs !== undefined && !(closeTimeoutMs >= 0 && closeTimeoutMs <= MAX_TIMEOUT_MS))
    throw invalid(`${where}.closeTimeoutMs`, `milliseconds from 0 to ${MAX_TIMEOUT_MS}`)
}

export const checkGroups = ({ resourceGroup, resourceGroups, resourceOptions }: GroupOptions): void => {
  if (resourceGroup !== undefined && resourceGroup !== null) checkGroup('resourceGroup', resourceGroup)
  if (resourceGroups !== undefined) {
    if (typeof resourceGroups !== 'object' || resourceGroups === null)
      throw invalid('resourceGroups', 'a mapping of listener names to resource groups')
    for (const [name, group] of Object.entries(resourceGroups)) checkGroup(`resourceGroups.${name}`, group)
  }
  if (resourceOptions !== undefined) checkResourceOptions(resourceOptions)
}

/** The recording that resource groups get; null without any. @throws TidegateError (rejects) `value_invalid`: no such listener. */
export const openGroups = async (
  config: GatewayConfig,
  { resourceGroup, resourceGroups, resourceOptions }: GroupOptions,
  planes: number,
  logger: Logger,
): Promise<GroupRecording | null> => {
  if (resourceGroup === undefined && resourceGroups === undefined && resourceOptions === undefined)
    return null
  for (const name of Object.keys(resourceGroups ?? {}))
    if (!config.listeners.some((listener) => listener.name === name))
      throw new TidegateError('value_invalid', `resourceGroups.${name}: no listener is named '${name}'`, {
        fault: 'usage',
        where: `resourceGroups.${name}`,
      })
  // Only now: what most gateways have no use for need not be loaded with them.
  const recording = await import('./recording/groups/group-recording.js')
  return recording.GroupRecording.open({
    ...resourceOptions,
    group: resourceGroup ?? null,
    byListener: resourceGroups ?? {},
    listeners: config.listeners.map((listener) => ({
      name: listener.name,
      description: describeRoute(config, listener),
    })),
    planes,
    application: `tidegate ${VERSION}`,
    logger,
  })
}
