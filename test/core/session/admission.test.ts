import { describe, expect, it } from 'vitest'
import type { Address } from '../../../src/core/address.js'
import { type AdmissionRules, admit, type Places, pausesAt } from '../../../src/core/session/admission.js'

const CLIENT: Address = { kind: 'tcp', host: '127.0.0.1', port: 5000 }

const rules = (more: Partial<AdmissionRules> = {}): AdmissionRules => ({
  allows: () => true,
  maxConnections: 2,
  overflow: 'refuse',
  ...more,
})

const places = (taken: number): Places & { taken: number } => ({
  taken,
  take(max) {
    if (max > 0 && this.taken >= max) return false
    this.taken++
    return true
  },
})

describe('admission', () => {
  it('refuses whom the rules do not allow, whatever room there is, and takes no place for that', () => {
    const free = places(0)
    expect(admit(rules({ allows: () => false }), CLIENT, free)).toEqual({ admitted: false, reason: 'denied' })
    expect(free.taken).toBe(0)
  })

  it('takes a place for each client that comes in, and refuses the one that is too many', () => {
    const one = places(1)
    expect(admit(rules(), CLIENT, one)).toEqual({ admitted: true })
    expect(admit(rules(), CLIENT, one)).toEqual({ admitted: false, reason: 'limit' })
    expect(one.taken).toBe(2)
  })

  it('lets the client that is too many wait, if that is the rule', () => {
    expect(admit(rules({ overflow: 'wait' }), CLIENT, places(2))).toBe('wait')
  })

  it('pauses the listener at the maximum when clients are to wait, and never when they are refused', () => {
    expect(pausesAt(rules({ overflow: 'wait' }))).toBe(2)
    expect(pausesAt(rules())).toBe(0)
  })

  it('has no limit at 0', () => {
    const none = rules({ maxConnections: 0, overflow: 'wait' })
    expect(admit(none, CLIENT, places(1e6))).toEqual({ admitted: true })
    expect(pausesAt(none)).toBe(0)
  })
})
