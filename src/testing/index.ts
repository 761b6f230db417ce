/** `tidegate/testing`: what proves that an implementation of a port behaves as the port says, and time for tests. */

export type { Cancel, Clock } from '../core/pool/clock.js'
export type { ComplianceCase } from './engine/case.js'
export { engineCompliance } from './engine/suite.js'
export { FakeClock } from './fake-clock.js'
