/**
 * What the names among an upstream's endpoints stand for, looked up again and again. Every address counts. While a lookup
 * fails, what the last one said goes on being used (stale).
 */

import { lookup as systemLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Address } from '../../core/address.js'
import { messageOf } from '../../errors.js'

/** All addresses of a name, in any order. Default: the system's own way (`getaddrinfo`: hosts file, DNS). */
export type Lookup = (host: string) => Promise<readonly string[]>

export const systemLookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address)

/** Nobody waits longer for the first answer: until it is there, the engine looks names up by itself, for each dial. */
export const FIRST_LOOKUP_MS = 1000

/** `localhost` is one place, whatever number of addresses it has: which of them answers is found out by dialling. */
const isLoopbackName = (host: string): boolean => /^(.*\.)?localhost\.?$/i.test(host)

export const isName = (address: Address): boolean =>
  address.kind === 'tcp' &&
  address.host !== '' &&
  isIP(hostOf(address.host)) === 0 &&
  !isLoopbackName(address.host)

/** Without the zone of a link-local address. */
const hostOf = (host: string): string => host.split('%')[0] ?? host

export interface ResolverHost {
  /** Some name stands for other addresses than before. */
  changed(): void
  /** Once each time it begins; `stale`: there are addresses to go on with. */
  failing(host: string, why: string, stale: boolean): void
  /** It had been failing. */
  recovered(host: string): void
}

interface Known {
  addresses: readonly string[]
  isFailing: boolean
}

export class Resolver {
  readonly #lookup: Lookup
  readonly #intervalMs: number
  readonly #host: ResolverHost
  readonly #known = new Map<string, Known>()
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  /** `intervalMs` 0: names are looked up once. */
  constructor(names: ReadonlySet<string>, lookup: Lookup, intervalMs: number, host: ResolverHost) {
    for (const name of names) this.#known.set(name, { addresses: [], isFailing: false })
    this.#lookup = lookup
    this.#intervalMs = intervalMs
    this.#host = host
  }

  /** Resolves when all have been looked up once. */
  start(): Promise<void> {
    return this.#known.size === 0 ? Promise.resolve() : this.#round()
  }

  /** What `address` stands for: itself, unless it is a name that has been found. */
  addressesOf(address: Address): readonly Address[] {
    if (address.kind !== 'tcp') return [address]
    const known = this.#known.get(address.host)
    if (known === undefined || known.addresses.length === 0) return [address]
    return known.addresses.map((host) => ({ kind: 'tcp', host, port: address.port }))
  }

  /** Names whose last lookup failed. */
  get failing(): readonly string[] {
    return [...this.#known].flatMap(([name, { isFailing }]) => (isFailing ? [name] : []))
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #round(): Promise<void> {
    const changes = await Promise.all([...this.#known].map(([name, known]) => this.#update(name, known)))
    if (this.#isClosed) return
    if (changes.includes(true)) this.#host.changed()
    if (this.#intervalMs > 0) this.#timer = setTimeout(() => void this.#round(), this.#intervalMs).unref()
  }

  /** Whether it stands for something else now. */
  async #update(name: string, known: Known): Promise<boolean> {
    try {
      const found = [...new Set(await this.#lookup(name))].filter((text) => isIP(hostOf(text)) !== 0).sort()
      if (found.length === 0) throw new Error('no address')
      if (this.#isClosed) return false
      if (known.isFailing) this.#host.recovered(name)
      known.isFailing = false
      if (found.join() === known.addresses.join()) return false
      known.addresses = found
      return true
    } catch (thrown) {
      if (!known.isFailing && !this.#isClosed)
        this.#host.failing(name, messageOf(thrown), known.addresses.length > 0)
      known.isFailing = true
      return false
    }
  }
}
