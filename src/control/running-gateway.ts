/** A gateway that runs: its rooms, put together, and in which order they are opened, take over another config, and are closed. */

import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig, GatewayConfigInput } from '../config/config.js'
import { type ParseOptions, parseConfig } from '../config/parse.js'
import type { LiveConnection } from '../core/session/record.js'
import { TidegateError } from '../errors.js'
import { type Logger, SILENT } from '../ports/logger.js'
import type { ResourceGroup } from '../ports/resource-group.js'
import type { BudgetKeeper } from './budget-keeper.js'
import type { FittedPlan } from './descriptors.js'
import { ControlDesk } from './desk.js'
import { type EngineChoice, workersOf } from './engine-choice.js'
import type { GatewayCounters, GatewayService, ManagedGateway } from './gateway-interface.js'
import type { GatewayOptions } from './hooks.js'
import { type GatewayListener, ListenerSet } from './listener-set.js'
import { checkGroup } from './open-groups.js'
import { openPlane } from './open-plane.js'
import type { OpenedRecording } from './open-recording.js'
import type { Plane } from './plane.js'
import type { GroupRecording } from './recording/groups/group-recording.js'
import { PlaneRecordings } from './recording/plane-recordings.js'
import { systemLookupAll } from './upstreams/resolver.js'
import { UpstreamSet } from './upstreams/upstream-set.js'
import { inetdAccount } from './wake/activators.js'
import { Lender } from './wake/lender.js'
import { LentListeners } from './wake/lent-listeners.js'
import { missingPrograms } from './wake/missing-programs.js'
import { processNow } from './workers/live-slots.js'

/** What a config may leave to the program. */
export const parsingOf = ({ connectTarget, activators = {}, sink }: GatewayOptions): ParseOptions => ({
  upstreamOptional: connectTarget !== undefined,
  activators: new Set(Object.keys(activators)),
  ownSink: sink !== undefined,
})

/** What a reload does not take over. What of the traffic is recorded is each listener's. */
const DEFERRED = {
  record: "'record', where to and how,",
  log: "'log'",
  engine: "'engine'",
  workers: "'workers'",
} as const

export class RunningGateway implements ManagedGateway {
  readonly #plane: Plane
  readonly #listeners: ListenerSet
  readonly #lent: LentListeners
  readonly #lender: Lender
  readonly #upstreams: UpstreamSet
  readonly #recording: OpenedRecording | null
  readonly #groups: GroupRecording | null
  /** The main thread's parts in both. */
  readonly #recordings: PlaneRecordings
  readonly #budget: BudgetKeeper
  readonly #logger: Logger
  readonly #parsing: ParseOptions
  #config: GatewayConfig
  #applying: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null
  /** Nobody waits any more. */
  #isHurried = false
  #plan: FittedPlan | null = null
  /** A config is being taken over, and told when that is done. */
  #isTakingOver = true

  constructor(
    config: GatewayConfig,
    options: GatewayOptions,
    choice: EngineChoice,
    recording: OpenedRecording | null,
    groups: GroupRecording | null,
    budget: BudgetKeeper,
  ) {
    const { connectTarget, inspect, observers = [], logger = SILENT, activators = {} } = options
    this.#recordings = new PlaneRecordings(recording?.here ?? null, groups?.here ?? null)
    const desk = new ControlDesk({
      connectTarget,
      inspect,
      observers,
      logger,
      recordings: this.#recordings,
      groupOf: (listener) => groups?.groups.numberOf(listener) ?? null,
    })
    this.#config = config
    this.#recording = recording
    this.#groups = groups
    this.#budget = budget
    this.#logger = logger
    this.#parsing = parsingOf(options)
    const sites = { site: recording?.site ?? null, groupSite: groups?.site ?? null }
    this.#plane = openPlane(choice, desk, sites, logger, {
      turned: (name, slot, turn) => this.#upstreams.turned(name, slot, turn),
      wake: (name) => this.#upstreams.wanted(name),
      printed: (upstream, pid, line) => logger.info(pid === null ? { upstream } : { upstream, pid }, line),
    })
    this.#upstreams = new UpstreamSet(this.#plane, {
      planeCount: workersOf(choice) + 1,
      engine: choice.engine,
      logger,
      lookup: options.lookup ?? systemLookupAll,
      now: processNow,
      activators,
      sized: () => this.#replan(),
    })
    this.#lender = new Lender(choice)
    this.#lent = new LentListeners({ engine: () => this.#lender.engine(), logger, now: processNow })
    this.#listeners = new ListenerSet(this.#plane, this.#lent, desk, logger, {
      recording: recording !== null,
      groups: groups !== null,
    })
  }

  get listeners(): readonly GatewayListener[] {
    return this.#listeners.all
  }

  get drainTimeoutMs(): number {
    return this.#config.drainTimeoutMs
  }

  /** Its config fits into the budget. */
  async open(): Promise<void> {
    this.#warnOfMissing(this.#config)
    await this.#plane.start()
    this.#replan()
    await this.#upstreams.become(this.#config)
    await this.#listeners.open(this.#config)
    this.#tookOver()
  }

  connections(): readonly LiveConnection[] {
    return this.#plane.connections()
  }

  counters(): GatewayCounters {
    return {
      listeners: Object.fromEntries(this.#plane.counters()),
      upstreams: this.#upstreams.status((name) => this.#lent.service(name)?.status() ?? null),
      recording: this.#recording?.site.counters() ?? null,
      resources: this.#groups?.counters() ?? null,
    }
  }

  service(upstream: string): GatewayService {
    return this.#lent.service(upstream) ?? this.#upstreams.service(upstream)
  }

  setRecording(listener: string, isOn: boolean): void {
    this.#listeners.setRecording(listener, isOn)
  }

  async updateResourceGroup(group: ResourceGroup | null, listener?: string): Promise<void> {
    if (group !== null) checkGroup('updateResourceGroup', group)
    const updated = this.#applying.then(() => this.#updateGroup(group, listener))
    this.#applying = updated.catch(() => {})
    return updated
  }

  kill(id: number): boolean {
    return this.#plane.kill(id)
  }

  async reload(input: GatewayConfigInput): Promise<void> {
    await this.apply(parseConfig(input, 'config', this.#parsing))
  }

  apply(config: GatewayConfig): Promise<void> {
    // One after the other: two at once would open and shut the same listeners.
    const applied = this.#applying.then(() => this.#apply(config))
    this.#applying = applied.catch(() => {})
    return applied
  }

  close({ drainTimeoutMs }: { readonly drainTimeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(drainTimeoutMs ?? this.drainTimeoutMs)
    return this.#closing
  }

  destroy(): Promise<void> {
    const closed = this.close({ drainTimeoutMs: 0 })
    this.#plane.cutAll()
    this.#isHurried = true
    this.#upstreams.hurry()
    this.#lent.hurry()
    return closed
  }

  async #updateGroup(group: ResourceGroup | null, listener: string | undefined): Promise<void> {
    const groups = this.#groups
    if (this.#closing !== null) throw new TidegateError('misuse', 'the gateway is closed', { fault: 'hook' })
    if (groups === null)
      throw new TidegateError(
        'misuse',
        'the gateway was created without resource groups: give it a resourceGroup, be it null',
        { fault: 'hook' },
      )
    this.#listeners.check(listener)
    groups.groups.set(group, listener)
    try {
      await this.#listeners.refresh()
    } finally {
      // Also if a thread could not be told: the rest of them have the group already.
      groups.groups.settle(groups.site.opened())
    }
  }

  async #apply(config: GatewayConfig): Promise<void> {
    if (this.#closing !== null) throw new TidegateError('misuse', 'the gateway is closed', { fault: 'hook' })
    this.#budget.check(config)
    for (const key of ['record', 'log', 'engine', 'workers'] as const)
      if (!isDeepStrictEqual(config[key], this.#config[key]))
        this.#logger.warn(
          {},
          `what the config now says about ${DEFERRED[key]} takes effect at the next start`,
        )
    this.#warnOfMissing(config)
    // What can be wrong with a config only on this machine is found out before anything is changed.
    await Promise.all(Object.values(config.upstreams).map(inetdAccount))
    this.#config = config
    this.#isTakingOver = true
    this.#replan()
    try {
      await this.#upstreams.become(config)
      await this.#listeners.become(config)
    } finally {
      this.#isTakingOver = false
      // Not before: until a listener is told otherwise, its clients go where they went.
      this.#upstreams.keep(new Set([...Object.keys(config.upstreams), ...this.#listeners.upstreams]))
    }
    this.#logger.info({ listeners: this.#listeners.all.length }, 'config reloaded')
    this.#tookOver()
  }

  /** Somebody may install them before the first client comes, so it is no error. */
  #warnOfMissing(config: GatewayConfig): void {
    for (const { upstream, message } of missingPrograms(config))
      this.#logger.warn({ upstream }, `its service cannot be started: ${message}`)
  }

  /** With the addresses that upstreams have now. */
  #replan(): void {
    const fitted = this.#budget.fit(this.#config, (name) => this.#upstreams.sizeOf(name))
    if (fitted === null || isDeepStrictEqual(fitted, this.#plan)) return
    this.#plan = fitted
    this.#plane.setBudget(fitted.plan)
    this.#upstreams.keepWarm(fitted.warm)
    if (!this.#isTakingOver) this.#budget.tellChange(this.#config, fitted)
  }

  #tookOver(): void {
    this.#isTakingOver = false
    this.#budget.tell(this.#config, this.#plan)
  }

  async #close(drainTimeoutMs: number): Promise<void> {
    await this.#applying
    const deadline = performance.now() + drainTimeoutMs
    const lent = this.#lent.close(drainTimeoutMs)
    await this.#plane.drain(Math.max(0, drainTimeoutMs - this.#upstreams.stopReserveMs(drainTimeoutMs)))
    await this.#upstreams.close(this.#isHurried ? 0 : Math.max(0, deadline - performance.now()))
    await lent
    await this.#lender.close()
    this.#listeners.clear()
    // The planes' parts in the recording side by side; the file when all of them are written.
    await Promise.all([this.#recordings.close(), this.#plane.close()])
    await Promise.all([this.#recording?.site.close(), this.#groups?.close()])
  }
}
