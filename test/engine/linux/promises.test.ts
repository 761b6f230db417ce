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

  it('is needed by those on their way from thread to thread, too, as long as that takes', () => {
    const ledger = createDescriptorLedger()
    const [from, to] = [new Promises({ ledger, owner: 1 }), new Promises({ ledger, owner: 0 })]
    from.tell(3)
    from.tell(2)
    from.sent()
    expect(to.all).toBe(3)
    forgetPromises(ledger, 1)
    expect(to.all).toBe(1)
    to.tell(1)
    to.arrived()
    expect(to.all).toBe(1)
  })

  it('is its own matter where an engine has no seat', () => {
    const [one, other] = [new Promises(null), new Promises(null)]
    one.tell(5)
    one.sent()
    other.arrived()
    expect([one.all, other.all]).toEqual([5, 0])
  })
})
