import { describe, expect, it } from 'vitest'
import { createDescriptorLedger } from '../../../src/engine/linux/ffi/ledger.js'
import { forgetPromises, Promises } from '../../../src/engine/linux/promises.js'

describe('what clients still need', () => {
  it('is known to all engines that share a ledger, added up', () => {
    const ledger = createDescriptorLedger()
    const [one, other] = [new Promises({ ledger, owner: 0 }), new Promises({ ledger, owner: 511 })]
    one.tell(5)
    other.tell(7)
    one.tell(3)
    expect([one.own, other.own, one.all, other.all]).toEqual([3, 7, 10, 10])
  })

  it('is needed no more by the clients of a thread that died; who takes its place begins with nothing', () => {
    const ledger = createDescriptorLedger()
    const [one, dead] = [new Promises({ ledger, owner: 0 }), new Promises({ ledger, owner: 1 })]
    one.tell(5)
    dead.tell(7)
    forgetPromises(ledger, 1)
    expect(one.all).toBe(5)
    new Promises({ ledger, owner: 1 }).tell(2)
    expect(one.all).toBe(7)
  })

  it('is its own matter where an engine has no seat', () => {
    const [one, other] = [new Promises(null), new Promises(null)]
    one.tell(5)
    expect([one.all, other.all]).toEqual([5, 0])
  })
})
