/** How many connections the limit of descriptors allows. */

import { descriptorLimit } from './proc.js'

/** Descriptors of a process that are no connections. */
const OTHERS = 100

/** @param each descriptors that a process opens for a connection; 0: that is no limit */
export const connectionsWithin = (each: number, limit = descriptorLimit()): number =>
  each === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((limit - OTHERS) / each))
