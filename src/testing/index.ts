/** `tidegate/testing`: what proves that an implementation of a port behaves as the port says. */

export type { ComplianceCase } from './engine/case.js'
export { engineCompliance } from './engine/suite.js'
