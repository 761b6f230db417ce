import { describe, expect, it } from 'vitest'
import type { Address } from '../../../src/core/address.js'
import type { Candidate } from '../../../src/core/balance/candidate.js'
import { hashPair, hashText } from '../../../src/core/balance/hash.js'
import { clientHash, pickBySource } from '../../../src/core/balance/source-hash.js'
import { candidatesWith, clientAt, manyClients } from './candidates.js'

const CLIENTS = 20_000
const clients = manyClients(CLIENTS)

const choices = (candidates: readonly Candidate[]): readonly number[] =>
  clients.map((client) => pickBySource(candidates, client)?.index ?? -1)

const shareOf = (picks: readonly number[], index: number): number =>
  picks.filter((pick) => pick === index).length / picks.length

/** Four standard deviations of a share among the clients: the clients are fixed, so this is luck once and for all. */
const luck = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / CLIENTS)

describe('source_hash', () => {
  it.each([2, 3, 5, 10, 32])(
    'of %i alike, one that goes moves only its own clients, about 1/N of all',
    (n) => {
      const all = candidatesWith(Array<number>(n).fill(1))
      const before = choices(all)
      for (const gone of [0, n - 1]) {
        const after = choices(all.filter(({ index }) => index !== gone))
        const moved = before.filter((index, client) => index !== after[client])
        expect(new Set(moved)).toEqual(new Set([gone]))
        expect(Math.abs(moved.length / CLIENTS - 1 / n)).toBeLessThan(luck(1 / n))
      }
    },
  )

  it('those of one that goes are spread over all others', () => {
    const all = candidatesWith([1, 1, 1, 1, 1])
    const before = choices(all)
    const after = choices(all.slice(1)).filter((_, client) => before[client] === 0)
    for (const { index } of all.slice(1)) expect(Math.abs(shareOf(after, index) - 1 / 4)).toBeLessThan(0.03)
  })

  it.each([[[1, 1, 1]], [[1, 2, 5]], [[1, 256]], [[10, 20, 30, 40]]])(
    'with weights %j each has its share',
    (weights) => {
      const picks = choices(candidatesWith(weights))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (const [index, weight] of weights.entries())
        expect(Math.abs(shareOf(picks, index) - weight / total)).toBeLessThan(luck(weight / total))
    },
  )

  it('one whose weight grows only takes clients, and takes them from nobody it had already', () => {
    const before = choices(candidatesWith([2, 2, 2]))
    const after = choices(candidatesWith([3, 2, 2]))
    const moved = after.filter((index, client) => index !== before[client])
    expect(moved.length).toBeGreaterThan(0)
    expect(new Set(moved)).toEqual(new Set([0]))
  })

  it('does not depend on the order or the places of the endpoints', () => {
    const all = candidatesWith([1, 2, 3, 4])
    const renumbered = all.map((candidate) => ({ ...candidate, index: 3 - candidate.index })).reverse()
    const places = choices(all)
    expect(choices(renumbered).map((index) => 3 - index)).toEqual(places)
  })

  it('gives the same client the same endpoint from any port and any listener', () => {
    const same: readonly (readonly [Address, Address])[] = [
      [clientAt('10.1.2.3', 1), clientAt('10.1.2.3', 65_535)],
      [clientAt('10.1.2.3'), clientAt('::ffff:10.1.2.3')],
      [clientAt('fe80::1%eth0'), clientAt('fe80::1')],
      [
        { kind: 'unix', path: '' },
        { kind: 'unix', path: '/x' },
      ],
    ]
    for (const [one, other] of same) expect(clientHash(one)).toBe(clientHash(other))
    expect(clientHash(clientAt('10.1.2.3'))).not.toBe(clientHash(clientAt('10.1.2.4')))
    expect(clientHash(clientAt('::ffff:1'))).not.toBe(clientHash(clientAt('1')))
  })
})

describe('the hashes', () => {
  it('stay what they are, or every client would move with an upgrade', () => {
    expect([hashText(''), hashText('10.0.0.1:6379'), hashPair(1, 2), hashPair(2, 1)]).toMatchInlineSnapshot(`
      [
        2872998923,
        3853289142,
        4278476930,
        399339924,
      ]
    `)
  })
})
