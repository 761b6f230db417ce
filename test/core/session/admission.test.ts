import { describe, expect, it } from 'vitest'
import type { Address } from '../../../src/core/address.js'
import { type AdmissionRules, admit, shouldPause } from '../../../src/core/session/admission.js'

const CLIENT: Address = { kind: 'tcp', host: '127.0.0.1', port: 5000 }

const rules = (more: Partial<AdmissionRules> = {}): AdmissionRules => ({
  allows: () => true,
  maxConnections: 2,
  overflow: 'refuse',
  ...more,
})

describe('admission', () => {
  it('refuses whom the rules do not allow, whatever room there is', () => {
    expect(admit(rules({ allows: () => false }), CLIENT, 0)).toEqual({ admitted: false, reason: 'denied' })
  })

  it('refuses the client that is one too many', () => {
    expect(admit(rules(), CLIENT, 1)).toEqual({ admitted: true })
    expect(admit(rules(), CLIENT, 2)).toEqual({ admitted: false, reason: 'limit' })
  })

  it('never pauses the listener when it refuses', () => {
    expect(shouldPause(rules(), 5)).toBe(false)
  })

  it('pauses the listener at the maximum when clients are to wait', () => {
    expect(shouldPause(rules({ overflow: 'wait' }), 1)).toBe(false)
    expect(shouldPause(rules({ overflow: 'wait' }), 2)).toBe(true)
  })

  it('has no limit at 0', () => {
    expect(admit(rules({ maxConnections: 0 }), CLIENT, 1e6)).toEqual({ admitted: true })
    expect(shouldPause(rules({ maxConnections: 0, overflow: 'wait' }), 1e6)).toBe(false)
  })
})
