/**
 * Which address has which slot of an upstream's board. An address that stays keeps its slot, and with it its figures; one
 * that has gone leaves its slot to another when its last connection has ended.
 */

import type { EndpointConfig } from '../../config/config.js'
import { type Address, formatAddress } from '../../core/address.js'
import type { Member } from './settings.js'
import { MAX_MEMBERS, type UpstreamBoard } from './upstream-board.js'

export class MemberTable {
  readonly #board: UpstreamBoard
  /** By key. Those that have gone come first, the one that went first before the others. */
  readonly #members = new Map<string, Member>()
  #current: ReadonlySet<string> = new Set()

  constructor(board: UpstreamBoard) {
    this.#board = board
  }

  /** Those that are no members any more, but have connections still. */
  get leaving(): readonly Member[] {
    return [...this.#members.values()].filter(
      ({ key, slot }) => !this.#current.has(key) && this.#board.open(slot) > 0,
    )
  }

  /**
   * The members of these endpoints, in order. `addressesOf`: what an endpoint stands for. An address behind two endpoints
   * counts once, with the first one's weight. `leftOut`: how many had no slot.
   */
  assign(
    endpoints: readonly EndpointConfig[],
    addressesOf: (endpoint: EndpointConfig) => readonly Address[],
  ): { readonly members: readonly Member[]; readonly leftOut: number } {
    const wanted = new Map<string, Omit<Member, 'slot'>>()
    for (const endpoint of endpoints) {
      for (const address of addressesOf(endpoint)) {
        const key = formatAddress(address)
        if (!wanted.has(key))
          wanted.set(key, { address, key, weight: endpoint.weight, backup: endpoint.backup })
      }
    }
    const free = this.#freeSlots(wanted)
    const members: Member[] = []
    for (const [key, member] of wanted) {
      const slot = this.#members.get(key)?.slot ?? this.#take(free)
      if (slot !== undefined) members.push({ ...member, slot })
    }
    for (const member of members) {
      // Behind all that have gone.
      this.#members.delete(member.key)
      this.#members.set(member.key, member)
    }
    this.#current = new Set(members.map(({ key }) => key))
    return { members, leftOut: wanted.size - members.length }
  }

  #take(free: number[]): number | undefined {
    const slot = free.shift()
    if (slot === undefined) return undefined
    for (const [key, former] of this.#members) if (former.slot === slot) this.#members.delete(key)
    this.#board.clear(slot)
    return slot
  }

  /**
   * Those never used first, so that figures stay as long as they can, then those that went first: a plane that has not heard
   * yet of what goes now may be about to dial it.
   */
  #freeSlots(wanted: ReadonlyMap<string, unknown>): number[] {
    const members = [...this.#members.values()]
    const used = new Set(members.map(({ slot }) => slot))
    const free = Array.from({ length: MAX_MEMBERS }, (_, slot) => slot).filter((slot) => !used.has(slot))
    const left = members.filter(({ key, slot }) => !wanted.has(key) && this.#board.open(slot) === 0)
    return [...free, ...left.map(({ slot }) => slot)]
  }
}
