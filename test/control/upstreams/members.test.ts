import { describe, expect, it } from 'vitest'
import type { EndpointConfig } from '../../../src/config/config.js'
import { MemberTable } from '../../../src/control/upstreams/members.js'
import { MAX_MEMBERS, UpstreamBoard } from '../../../src/control/upstreams/upstream-board.js'
import { address } from './fake-engine.js'

const endpoint = (text: string, more: Partial<EndpointConfig> = {}): EndpointConfig => ({
  address: address(text),
  weight: 1,
  backup: false,
  ...more,
})

const addresses = (count: number, network: number): readonly EndpointConfig[] =>
  Array.from({ length: count }, (_, n) => endpoint(`10.${network}.${n >> 8}.${n & 255}:80`))

const start = () => {
  const board = new UpstreamBoard(1)
  const table = new MemberTable(board)
  const slots = (...texts: readonly string[]): readonly number[] =>
    table
      .assign(
        texts.map((text) => endpoint(text)),
        ({ address: at }) => [at],
      )
      .members.map(({ slot }) => slot)
  const assign = (endpoints: readonly EndpointConfig[]) => table.assign(endpoints, ({ address: at }) => [at])
  return { board, table, slots, assign }
}

describe('a table of members', () => {
  it('gives an address that stays, or comes back, the slot it had', () => {
    const { board, slots } = start()
    expect(slots('1.1.1.1:1', '2.2.2.2:2')).toEqual([0, 1])
    board.count(0, 'connected')
    expect(slots('3.3.3.3:3', '2.2.2.2:2')).toEqual([2, 1])
    expect(slots('2.2.2.2:2', '1.1.1.1:1')).toEqual([1, 0])
    expect(board.counts(0).connected).toBe(1)
  })

  it('takes all addresses of a name, with the weight of the first endpoint that has them', () => {
    const { table } = start()
    const { members } = table.assign(
      [endpoint('a.test:80', { weight: 3 }), endpoint('b.test:80', { backup: true })],
      ({ backup }) => (backup ? ['1.1.1.1:80', '2.2.2.2:80'] : ['1.1.1.1:80', '[::1]:80']).map(address),
    )
    expect(members.map(({ key, weight, backup }) => [key, weight, backup])).toEqual([
      ['1.1.1.1:80', 3, false],
      ['[::1]:80', 3, false],
      ['2.2.2.2:80', 1, true],
    ])
  })

  it('lists those that have gone, as long as they have connections', () => {
    const { board, table, slots } = start()
    slots('1.1.1.1:1', '2.2.2.2:2')
    board.takePlace(0, 0, 0)
    board.takePlace(0, 1, 0)
    slots('2.2.2.2:2')
    expect(table.leaving.map(({ key }) => key)).toEqual(['1.1.1.1:1'])
    board.givePlace(0, 0)
    expect(table.leaving).toEqual([])
  })

  it('leaves out what is too much', () => {
    const { members, leftOut } = start().assign(addresses(MAX_MEMBERS + 3, 1))
    expect([members.length, leftOut]).toEqual([MAX_MEMBERS, 3])
    expect(new Set(members.map(({ slot }) => slot)).size).toBe(MAX_MEMBERS)
  })

  it('gives the slots of those that went first to others, cleared, but none that has a connection', () => {
    const { board, slots, assign } = start()
    assign(addresses(MAX_MEMBERS - 2, 1))
    board.takePlace(0, 0, 0)
    board.count(1, 'failed')
    const rest = addresses(MAX_MEMBERS - 5, 1).map(({ address: at }) => endpoint(formatted(at)))
    assign(rest)
    // 2 were never used; then those three that went before the rest did; then the rest, but for the first.
    expect(slots('1.0.0.1:1', '1.0.0.2:1', '1.0.0.3:1')).toEqual([
      MAX_MEMBERS - 2,
      MAX_MEMBERS - 1,
      MAX_MEMBERS - 5,
    ])
    const { members, leftOut } = assign(addresses(MAX_MEMBERS, 2))
    expect(members.some(({ slot }) => slot === 0)).toBe(false)
    expect(leftOut).toBe(1)
    expect(board.counts(1).failed).toBe(0)
    board.givePlace(0, 0)
    expect(assign(addresses(MAX_MEMBERS, 2)).leftOut).toBe(0)
  })
})

const formatted = (at: EndpointConfig['address']): string =>
  at.kind === 'tcp' ? `${at.host}:${at.port}` : ''
