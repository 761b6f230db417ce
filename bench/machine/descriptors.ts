/** How many connections the system's limits allow. */

import { descriptorLimit } from './proc.js'

/** Descriptors of a process that are no connections. */
const OTHERS = 100

/** Users, and containers more so, may have a few thousand processes at most. */
const PROCESSES = 500

/** @param each descriptors that a process opens for each connection; 0: each connection is a process */
export const connectionsWithin = (each: number, limit = descriptorLimit()): number =>
  each === 0 ? PROCESSES : Math.max(1, Math.floor((limit - OTHERS) / each))
