/** `tidegate/testing`: what proves that an implementation of a port behaves as the port says, and time for tests. */

export type { Cancel, Clock } from '../core/pool/clock.js'
export type { ComplianceCase } from './compliance-case.js'
export { engineCompliance } from './engine/suite.js'
export { FakeClock } from './fake-clock.js'
export type { SinkPlace } from './sink/place.js'
export { sinkCompliance } from './sink/suite.js'
