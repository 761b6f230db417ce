import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isName, type Lookup, Resolver } from '../../../src/control/upstreams/resolver.js'
import { formatAddress } from '../../../src/core/address.js'
import { address } from './fake-engine.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Answers by name; a name that is not there fails. */
const start = (answers: Record<string, readonly string[] | Error | 'hang'>, intervalMs = 1000) => {
  const told: string[] = []
  const asked: string[] = []
  const lookup: Lookup = async (host) => {
    asked.push(host)
    const answer = answers[host] ?? new Error('no such name')
    if (answer === 'hang') return new Promise(() => {})
    if (answer instanceof Error) throw answer
    return answer
  }
  const resolver = (former?: Resolver) =>
    new Resolver(
      new Set(Object.keys(answers)),
      { lookup, intervalMs, former },
      {
        changed: () => void told.push('changed'),
        failing: (host, why, stale) => void told.push(`${host} fails${stale ? ', stale' : ''}: ${why}`),
        recovered: (host) => void told.push(`${host} recovered`),
      },
    )
  return { answers, told, asked, resolver }
}

const found = (resolver: Resolver, text: string): readonly string[] =>
  resolver.addressesOf(address(text)).map(formatAddress)

describe('a resolver', () => {
  it('uses every address of a name, once each, in one order', async () => {
    const { resolver, told } = start({ 'a.test': ['10.0.0.2', '::1', '10.0.0.1', '10.0.0.2'] })
    const it = resolver()
    expect(found(it, 'a.test:80')).toEqual(['a.test:80'])
    await it.start()
    expect(found(it, 'a.test:80')).toEqual(['10.0.0.1:80', '10.0.0.2:80', '[::1]:80'])
    expect(found(it, 'other.test:80')).toEqual(['other.test:80'])
    expect(told).toEqual(['changed'])
    it.close()
  })

  it('asks again after the interval, and tells what has changed, not what is only in another order', async () => {
    const { resolver, answers, told, asked } = start({ 'a.test': ['10.0.0.1', '10.0.0.2'] })
    const it = resolver()
    await it.start()
    await vi.advanceTimersByTimeAsync(999)
    expect(asked).toHaveLength(1)
    answers['a.test'] = ['10.0.0.2', '10.0.0.1']
    await vi.advanceTimersByTimeAsync(1)
    expect([asked.length, told.length]).toEqual([2, 1])
    answers['a.test'] = ['10.0.0.3']
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['changed', 'changed'])
    expect(found(it, 'a.test:1')).toEqual(['10.0.0.3:1'])
    it.close()
    await vi.advanceTimersByTimeAsync(5000)
    expect(asked).toHaveLength(3)
  })

  it('asks once where there is no interval', async () => {
    const { resolver, asked } = start({ 'a.test': ['10.0.0.1'] }, 0)
    await resolver().start()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(asked).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps the last addresses while lookups fail, says so once, and that it is over', async () => {
    const { resolver, answers, told } = start({ 'a.test': ['10.0.0.1'] })
    const it = resolver()
    await it.start()
    answers['a.test'] = new Error('SERVFAIL')
    await vi.advanceTimersByTimeAsync(3000)
    answers['a.test'] = []
    await vi.advanceTimersByTimeAsync(3000)
    expect(told).toEqual(['changed', 'a.test fails, stale: SERVFAIL'])
    expect(found(it, 'a.test:1')).toEqual(['10.0.0.1:1'])
    expect(it.failing).toEqual(['a.test'])
    answers['a.test'] = ['10.0.0.1']
    await vi.advanceTimersByTimeAsync(1000)
    expect(told.slice(2)).toEqual(['a.test recovered'])
    expect(it.failing).toEqual([])
    it.close()
  })

  it('takes answers that are no addresses for none', async () => {
    const { resolver, told } = start({ 'a.test': ['b.test', ''] })
    const it = resolver()
    await it.start()
    expect(told).toEqual(['a.test fails: no address'])
    expect(found(it, 'a.test:1')).toEqual(['a.test:1'])
    it.close()
  })

  it('lets a name that hangs keep no other waiting, and takes it for failed in the end', async () => {
    const { resolver, answers, told } = start({ 'hangs.test': 'hang', 'a.test': ['10.0.0.1'] })
    const it = resolver()
    void it.start()
    await vi.advanceTimersByTimeAsync(10)
    expect(found(it, 'a.test:1')).toEqual(['10.0.0.1:1'])
    answers['a.test'] = ['10.0.0.2']
    await vi.advanceTimersByTimeAsync(1000)
    expect(found(it, 'a.test:1')).toEqual(['10.0.0.2:1'])
    await vi.advanceTimersByTimeAsync(20_000)
    expect(told).toEqual(['changed', 'changed', 'hangs.test fails: no answer within 20000 ms'])
    it.close()
  })

  it('knows from the start what the one knew whose place it takes', async () => {
    const { resolver, answers, told } = start({ 'a.test': ['10.0.0.1'], 'b.test': new Error('gone') })
    const former = resolver()
    await former.start()
    former.close()
    answers['a.test'] = new Error('gone')
    const it = resolver(former)
    expect(found(it, 'a.test:1')).toEqual(['10.0.0.1:1'])
    await it.start()
    expect(found(it, 'a.test:1')).toEqual(['10.0.0.1:1'])
    expect(told).toEqual(['changed', 'b.test fails: gone', 'a.test fails, stale: gone'])
    it.close()
  })
})

it.each([
  ['web.internal:80', true],
  ['web:80', true],
  ['127.0.0.1:80', false],
  ['[::1]:80', false],
  ['[fe80::1%eth0]:80', false],
  ['localhost:80', false],
  ['LOCALHOST:80', false],
  ['api.localhost:80', false],
  ['localhost.example.org:80', true],
  ['unix:/run/x.sock', false],
])('%s is looked up: %s', (text, isLookedUp) => {
  expect(isName(address(text))).toBe(isLookedUp)
})
