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
  readonly #slots = new Map<string, number>()

  constructor(board: UpstreamBoard) {
    this.#board = board
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
      const slot = this.#slots.get(key) ?? this.#take(key, free)
      if (slot !== undefined) members.push({ ...member, slot })
    }
    return { members, leftOut: wanted.size - members.length }
  }

  #take(key: string, free: number[]): number | undefined {
    const slot = free.shift()
    if (slot === undefined) return undefined
    for (const [former, at] of this.#slots) if (at === slot) this.#slots.delete(former)
    this.#board.clear(slot)
    this.#slots.set(key, slot)
    return slot
  }

  /** Those never used first, so that figures stay as long as they can. */
  #freeSlots(wanted: ReadonlyMap<string, unknown>): number[] {
    const used = new Set(this.#slots.values())
    const free = Array.from({ length: MAX_MEMBERS }, (_, slot) => slot).filter((slot) => !used.has(slot))
    const left = [...this.#slots].flatMap(([key, slot]) =>
      wanted.has(key) || this.#board.open(slot) > 0 ? [] : [slot],
    )
    return [...free, ...left]
  }
}
