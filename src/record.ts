/**
 * Recording into the program's own hands: resource groups, with gogetway's concepts by their names.
 *
 * @example
 * import { createGateway } from 'tidegate'
 * import { createDefaultResourceGroup } from 'tidegate/record'
 *
 * const group = createDefaultResourceGroup({
 *   writeFunction: async (framed, { fromTo }) => { … },
 * })
 * const gateway = await createGateway(config, { resourceGroup: group })
 */

export type {
  DefaultResourceGroup,
  DefaultResourceGroupOptions,
} from './control/recording/groups/default-group.js'
export { createDefaultResourceGroup } from './control/recording/groups/default-group.js'
export type { ResourceCounters } from './control/recording/groups/group-recording.js'
export type { Address, TcpAddress, UnixAddress } from './core/address.js'
export { encodeGogetwayFrame, FRAME_TYPE, type Frame } from './core/codec/gogetway/frame.js'
export { decodeGogetwayFrame } from './core/resource/decode-frame.js'
export { Lock, type Unlock } from './core/resource/lock.js'
export { LockGroup, type LockGroupOptions, type Reclaimed } from './core/resource/lock-group.js'
export type { WriteContext, WriteFunction } from './core/resource/write-function.js'
export { WriteQueue, type WriteQueueOptions } from './core/resource/write-queue.js'
export { type ErrorCode, type ErrorDetails, type Fault, TidegateError } from './errors.js'
export type {
  ConnectResource,
  GotResource,
  ResourceConnection,
  ResourceContext,
  ResourceGroup,
  ResourceOptions,
  ResourceStream,
  ResourceWriter,
} from './ports/resource-group.js'
