/**
 * One upstream on the main thread: what its names stand for, which of its members are well, and what planes are told of that.
 */

import { isDeepStrictEqual } from 'node:util'
import type { Account } from '../../activate/account.js'
import type { UpstreamConfig } from '../../config/config.js'
import { type Address, formatAddress } from '../../core/address.js'
import type { Activator } from '../../ports/activator.js'
import type { DialOptions, Engine } from '../../ports/engine.js'
import type { Logger } from '../../ports/logger.js'
import { within } from '../plane.js'
import { activatorOf, inetdAccount, inetdSettings } from '../wake/activators.js'
import type { ServiceStatus } from '../wake/service-figures.js'
import { ServiceGate } from '../wake/service-gate.js'
import { isWoken, type WakeSettings } from '../wake/settings.js'
import { Supervisor } from '../wake/supervisor.js'
import { MemberChecks } from './member-checks.js'
import { MemberTable } from './members.js'
import { FIRST_LOOKUP_MS, isName, type Lookup, Resolver } from './resolver.js'
import type { Member, Turn, UpstreamPlanes, UpstreamSettings } from './settings.js'
import { type LastFailure, MAX_MEMBERS, type MemberCounts, type UpstreamBoard } from './upstream-board.js'

export interface ManagedUpstreamOptions {
  readonly board: UpstreamBoard
  readonly planes: UpstreamPlanes
  readonly engine: Engine
  readonly logger: Logger
  readonly lookup: Lookup
  readonly now: () => number
  /** The program's own, by the upstream's name. */
  readonly activators: Readonly<Record<string, Activator>>
  /** It has other members, maybe more. May call `keepWarm`. */
  readonly sized: () => void
}

/** One address of an upstream, as it is now. */
export interface EndpointStatus {
  readonly address: Address
  /**
   * `ejected`: left out for a while, since dials failed. `down`: its checks fail. `gone`: it is not in the config any more, or its name
   * does not stand for it; no new clients come.
   */
  readonly state: 'up' | 'ejected' | 'down' | 'gone'
  readonly weight: number
  readonly backup: boolean
  /** Connections that serve a client, or are dialled for one. */
  readonly active: number
  /** Connections that wait in a pool. */
  readonly idle: number
  /** Connections that a client has left, and that are being proven clean: neither active nor idle. */
  readonly resetting: number
  /** The last thing that went wrong there, kept when it works again; null: nothing has. */
  readonly lastFailure: LastFailure | null
  readonly counts: MemberCounts
}

export interface UpstreamStatus {
  /** In the order of the config; then those that are gone, but have connections still. */
  readonly endpoints: readonly EndpointStatus[]
  /** Clients that wait for a connection. */
  readonly waiting: number
  /** Names that could not be looked up the last time; what they stood for before is used. */
  readonly unresolved: readonly string[]
  /** Null: it is not started on demand. */
  readonly service: ServiceStatus | null
}

export class ManagedUpstream {
  readonly #options: ManagedUpstreamOptions
  readonly #table: MemberTable
  #config: UpstreamConfig
  #dial: DialOptions
  #resolver: Resolver
  #members: readonly Member[] = []
  #isPublished = false
  readonly #gate: ServiceGate
  #service: Supervisor | null = null
  /** Whom processes of clients run as. */
  #account: Account = {}
  /** What its pool keeps ready of each member; null: what the config says. */
  #warm: number | null = null
  readonly #checks: MemberChecks

  constructor(config: UpstreamConfig, dial: DialOptions, options: ManagedUpstreamOptions) {
    this.#config = config
    this.#dial = dial
    this.#options = options
    this.#table = new MemberTable(options.board)
    this.#gate = new ServiceGate(options.board.planes)
    this.#checks = new MemberChecks({ ...options, log: (member, turn) => this.#log(member, turn) })
    this.#resolver = this.#newResolver()
    this.#setService(config)
  }

  /** Null: it is not started on demand. */
  get service(): Supervisor | null {
    return this.#service
  }

  /** Resolves when the planes know it. */
  async open(): Promise<void> {
    this.#account = await inetdAccount(this.#config)
    await within(FIRST_LOOKUP_MS, this.#resolver.start())
    this.#publish()
    this.#startChecks()
  }

  async become(config: UpstreamConfig, dial: DialOptions): Promise<void> {
    const before = this.#config
    this.#config = config
    this.#dial = dial
    this.#resolver.close()
    this.#resolver = this.#newResolver(this.#resolver)
    const isCheckedAlike =
      isDeepStrictEqual(config.check, before.check) && config.sendProxyProtocol === before.sendProxyProtocol
    if (!isCheckedAlike) this.#checks.stop()
    this.#setService(config)
    await this.open()
  }

  get size(): number {
    return this.#members.length
  }

  /** `min` of its pool from now on: descriptors are too few for what the config says. */
  keepWarm(min: number): void {
    const before = this.#warm ?? this.#config.pool.min
    this.#warm = min
    if (this.#isPublished && min !== before)
      this.#options.planes.setUpstream(this.#settings(this.#members), this.#options.board)
  }

  /** It is not in the config any more. */
  drop(): void {
    if (!this.#isPublished) return
    this.#resolver.close()
    this.#checks.stop()
    this.#service?.retire()
    this.#isPublished = false
    this.#options.planes.setUpstream(this.#settings([]), this.#options.board)
  }

  /** Resolves when its service, if it has one, has ended: gently within the time. */
  async close(stopServiceWithinMs: number): Promise<void> {
    this.#resolver.close()
    this.#checks.stop()
    await this.#service?.close(stopServiceWithinMs)
  }

  #setService(config: UpstreamConfig): void {
    if (!isWoken(config) || config.wake.mode !== 'service') return this.#service?.retire()
    const activator = activatorOf(config, this.#options.activators)
    if (this.#service !== null) return this.#service.become(config, activator)
    this.#service = new Supervisor(config, activator, {
      ...this.#options,
      gate: this.#gate,
      waiting: () => this.#options.board.queue.waiting,
      onOpen: (isOpen) => {
        if (isOpen) this.#startChecks()
        else this.#checks.stop()
      },
    })
  }

  /** A plane has found out. */
  turned(slot: number, turn: Turn): void {
    const member = this.#members.find((each) => each.slot === slot)
    if (member !== undefined) this.#log(member, turn)
  }

  status(): UpstreamStatus {
    const { board, now } = this.#options
    const at = now()
    const statusOf = ({ slot, address, weight, backup }: Member, isGone: boolean): EndpointStatus => ({
      address,
      state: isGone ? 'gone' : board.state(slot, at),
      weight,
      backup,
      active: board.busy(slot),
      idle: board.idle(slot),
      resetting: board.resetting(slot),
      lastFailure: board.lastFailure(slot, at),
      counts: board.counts(slot),
    })
    return {
      endpoints: [
        ...this.#members.map((member) => statusOf(member, !this.#isPublished)),
        ...this.#table.leaving.map((member) => statusOf(member, true)),
      ],
      waiting: board.queue.waiting,
      unresolved: this.#resolver.failing,
      service: this.#service?.status() ?? null,
    }
  }

  #newResolver(former?: Resolver): Resolver {
    const { logger, lookup } = this.#options
    const { name: upstream, endpoints, resolveIntervalMs: intervalMs } = this.#config
    const names = endpoints.flatMap(({ address }) =>
      address.kind === 'tcp' && isName(address) ? [address.host] : [],
    )
    return new Resolver(
      new Set(names),
      { lookup, intervalMs, former },
      {
        changed: () => {
          // At first, `open` is about to publish.
          if (!this.#isPublished) return
          this.#publish()
          this.#startChecks()
        },
        failing: (host, error, stale) =>
          logger.warn(
            { upstream, host, error },
            stale ? 'the name is not found: its last addresses go on being used' : 'the name is not found',
          ),
        recovered: (host) => logger.info({ upstream, host }, 'the name is found again'),
      },
    )
  }

  #publish(): void {
    const { board, planes, logger, sized } = this.#options
    const { name, endpoints } = this.#config
    const { members, leftOut } = this.#table.assign(endpoints, ({ address }) =>
      this.#resolver.addressesOf(address),
    )
    if (leftOut > 0)
      logger.warn({ upstream: name, used: MAX_MEMBERS, leftOut }, 'the upstream has too many addresses')
    if (this.#isPublished) this.#logChange(this.#members, members)
    this.#members = members
    sized()
    this.#isPublished = true
    planes.setUpstream(this.#settings(members), board)
    logger.debug({ upstream: name, addresses: members.map(({ key }) => key) }, 'upstream')
  }

  #settings(members: readonly Member[]): UpstreamSettings {
    const { name, balance, maxConnections, queueTimeoutMs, maxQueue, passiveHealth, onDown, pool } =
      this.#config
    return {
      name,
      members,
      balance,
      maxConnections,
      queueTimeoutMs,
      maxQueue,
      passiveHealth,
      onDown,
      pool: { ...pool, min: this.#warm ?? pool.min },
      sendProxyProtocol: this.#config.sendProxyProtocol,
      dial: this.#dial,
      wake: this.#wakeSettings(),
      inetd:
        isWoken(this.#config) && this.#config.wake.mode === 'inetd'
          ? inetdSettings(this.#config, this.#account)
          : null,
    }
  }

  #wakeSettings(): WakeSettings | null {
    const { wake } = this.#config
    if (wake?.mode !== 'service') return null
    const { on, match, from, startMs } = wake
    return { gate: this.#gate.buffer, on, match, from, dataTimeoutMs: startMs }
  }

  #startChecks(): void {
    // What does not run has no health.
    const isChecked = this.#config.check !== null && this.#service?.isOpen !== false
    if (isChecked) this.#checks.keepTo(this.#members, this.#config, this.#dial)
    else this.#checks.stop()
  }

  #logChange(before: readonly Member[], after: readonly Member[]): void {
    const [was, is] = [before, after].map((members) => new Set(members.map(({ key }) => key)))
    const came = after.filter(({ key }) => was?.has(key) !== true).map(({ key }) => key)
    const went = before.filter(({ key }) => is?.has(key) !== true).map(({ key }) => key)
    if (came.length + went.length === 0) return
    this.#options.logger.info(
      { upstream: this.#config.name, came, gone: went },
      'the upstream has other endpoints',
    )
  }

  #log({ address }: Member, { to, message }: Turn): void {
    const fields = { upstream: this.#config.name, endpoint: formatAddress(address), state: to }
    if (to === 'ejected' || to === 'down' || to === 'unclean') this.#options.logger.warn(fields, message)
    else this.#options.logger.info(fields, message)
  }
}
