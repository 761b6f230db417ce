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

/** What takes longer has failed. As long as the system's own way takes at most with two name servers that do not answer. */
const LOOKUP_TIMEOUT_MS = 20_000

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
  timer: NodeJS.Timeout | null
}

export interface ResolverOptions {
  readonly lookup: Lookup
  /** 0: names are looked up once. */
  readonly intervalMs: number
  /** Whose place it takes: what that one knows is known from the start. */
  readonly former?: Resolver | undefined
}

export class Resolver {
  readonly #lookup: Lookup
  readonly #intervalMs: number
  readonly #host: ResolverHost
  readonly #known = new Map<string, Known>()
  #isClosed = false

  constructor(
    names: ReadonlySet<string>,
    { lookup, intervalMs, former }: ResolverOptions,
    host: ResolverHost,
  ) {
    const known = former === undefined ? undefined : former.#known
    for (const name of names) {
      const { addresses, isFailing } = known?.get(name) ?? { addresses: [], isFailing: false }
      this.#known.set(name, { addresses, isFailing, timer: null })
    }
    this.#lookup = lookup
    this.#intervalMs = intervalMs
    this.#host = host
  }

  /** Resolves when those have been looked up once of which no address is known. */
  async start(): Promise<void> {
    const lookups = Array.from(this.#known, ([name, known]) => {
      const isNew = known.addresses.length === 0
      const lookup = this.#update(name, known)
      return isNew ? lookup : null
    })
    await Promise.all(lookups)
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
    for (const { timer } of this.#known.values()) if (timer !== null) clearTimeout(timer)
  }

  /** Each name by itself: one that hangs keeps no other waiting. */
  async #update(name: string, known: Known): Promise<void> {
    const found = await this.#find(name)
    if (this.#isClosed) return
    if (found instanceof Error) {
      if (!known.isFailing) this.#host.failing(name, found.message, known.addresses.length > 0)
      known.isFailing = true
    } else {
      if (known.isFailing) this.#host.recovered(name)
      known.isFailing = false
      const isNews = found.join() !== known.addresses.join()
      known.addresses = found
      if (isNews) this.#host.changed()
    }
    if (this.#intervalMs > 0)
      known.timer = setTimeout(() => void this.#update(name, known), this.#intervalMs).unref()
  }

  /** In one order always: names are answered in turns. Never rejects. */
  async #find(name: string): Promise<readonly string[] | Error> {
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<never>((_, reject) => {
      const why = `no answer within ${LOOKUP_TIMEOUT_MS} ms`
      timer = setTimeout(() => reject(new Error(why)), LOOKUP_TIMEOUT_MS).unref()
    })
    try {
      const answer = await Promise.race([this.#lookup(name), tooLate])
      const found = [...new Set(answer)].filter((text) => isIP(hostOf(text)) !== 0).sort()
      return found.length > 0 ? found : new Error('no address')
    } catch (thrown) {
      return new Error(messageOf(thrown))
    } finally {
      clearTimeout(timer)
    }
  }
}
