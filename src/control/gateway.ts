/**
 * The gateway: the composition root of the library. It reads the config, opens the recording and the listeners, and
 * closes everything in order.
 */

import { rm } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig, GatewayConfigInput } from '../config/config.js'
import { type ParseOptions, parseConfig } from '../config/parse.js'
import type { ConnectionCounters, LiveConnection } from '../core/session/record.js'
import { TidegateError } from '../errors.js'
import type { Engine } from '../ports/engine.js'
import { type Logger, SILENT } from '../ports/logger.js'
import type { ResourceGroup } from '../ports/resource-group.js'
import { BudgetKeeper } from './budget-keeper.js'
import { DataPlane } from './data-plane.js'
import { type FittedPlan, readDescriptors } from './descriptors.js'
import { ControlDesk } from './desk.js'
import { chooseEngine, type EngineChoice, lendingEngine } from './engine-choice.js'
import { checkOptions, type GatewayOptions } from './hooks.js'
import { type GatewayListener, ListenerSet } from './listener-set.js'
import { checkGroup, openGroups } from './open-groups.js'
import type { OpenedRecording } from './open-recording.js'
import type { Plane } from './plane.js'
import type { GroupRecording, ResourceCounters } from './recording/groups/group-recording.js'
import { PlaneRecordings } from './recording/plane-recordings.js'
import type { RecordingCounters } from './recording/recording.js'
import type { UpstreamStatus } from './upstreams/managed-upstream.js'
import { PlaneUpstreams } from './upstreams/plane-upstreams.js'
import { systemLookupAll } from './upstreams/resolver.js'
import type { UpstreamNews } from './upstreams/settings.js'
import { ALL, partOf } from './upstreams/share.js'
import { UpstreamSet } from './upstreams/upstream-set.js'
import { inetdAccount } from './wake/activators.js'
import { LentListeners } from './wake/lent-listeners.js'
import { missingPrograms } from './wake/missing-programs.js'
import type { ServiceStatus } from './wake/service-figures.js'
import { type FleetOptions, WorkerFleet } from './workers/fleet.js'
import { processNow } from './workers/live-slots.js'

export interface GatewayCounters {
  /** By listener name; a listener that a reload removed keeps its figures. */
  readonly listeners: Readonly<Record<string, ConnectionCounters>>
  /** By name; one that a reload removed keeps its figures. */
  readonly upstreams: Readonly<Record<string, UpstreamStatus>>
  /** Null when nothing is recorded. */
  readonly recording: RecordingCounters | null
  /** What resource groups were handed; null without them. */
  readonly resources: ResourceCounters | null
}

/** A service that is started on demand. */
export interface GatewayService {
  status(): ServiceStatus
  /** Starts it as a client would that connects; it is stopped again when it is idle. */
  start(): void
  /** Forgets that starts have failed: the next client starts it. */
  reset(): void
}

export interface Gateway {
  readonly listeners: readonly GatewayListener[]
  /** The connections that are open now, oldest first. */
  connections(): readonly LiveConnection[]
  counters(): GatewayCounters
  /**
   * The service of an upstream that is started on demand (`wake`).
   * @throws TidegateError `not_found`: there is no upstream of that name, or its service is not started on demand.
   */
  service(upstream: string): GatewayService
  /**
   * Switches the recording of a listener on or off, on all threads at once and without touching its connections. Off: those that
   * come are not recorded, and what those being recorded say meanwhile is cut, not lost (`switched off`). On again: these go on
   * being recorded, and so are those that come.
   * @throws TidegateError `not_found` without such a listener; `misuse` for one that its config does not record.
   */
  setRecording(listener: string, isOn: boolean): void
  /**
   * Has another resource group take what new connections say: those of one listener, or of all. Resolves when it holds on all
   * threads. Connections that are open keep the group they have, which is closed after the last of them. Null: nobody takes it.
   * @throws TidegateError (rejects) `misuse`: the gateway was created without resource groups, or is closed; the group has been closed.
   * `not_found`: there is no such listener. `value_invalid`: it is no group.
   */
  updateResourceGroup(group: ResourceGroup | null, listener?: string): Promise<void>
  /** Ends one connection at once, with reason `killed`. False when there is no such connection. */
  kill(id: number): boolean
  /**
   * Takes over another config without touching open connections: listeners come, go and change; one whose address
   * and socket options stay keeps its socket. What is recorded counts for the connections to come; `enabled` of `record`, where
   * it is new, for all (as {@link setRecording}). Where and how the recording is kept, the engine and the workers stay as they
   * were until the next start.
   * @throws TidegateError (rejects) `config_invalid`: nothing has changed. `misuse` after `close`. Errors of `listen`: that listener is
   * as it was, the others are as the new config says.
   */
  reload(config: GatewayConfigInput): Promise<void>
  /**
   * Stops accepting, lets connections end by themselves for the drain timeout (ms; default: the config's), cuts the
   * rest, completes the recording. Idempotent.
   */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>
  /** As `close`, without waiting for connections; also ends a `close` that waits. A reload under way is finished first. */
  destroy(): Promise<void>
}

/** A gateway as the command line runs it: with configs that are parsed already. */
export interface ManagedGateway extends Gateway {
  /** What `close` waits at most, unless told otherwise. */
  readonly drainTimeoutMs: number
  /** As `reload`. */
  apply(config: GatewayConfig): Promise<void>
}

const planeOf = (
  choice: EngineChoice,
  desk: ControlDesk,
  sites: Pick<FleetOptions, 'site' | 'groupSite'>,
  logger: Logger,
  { turned, wake, printed }: Pick<UpstreamNews, 'turned' | 'wake' | 'printed'>,
): Plane => {
  if (choice.kind === 'threaded')
    return new WorkerFleet({
      ...choice,
      desk,
      ...sites,
      logger,
      onTurned: turned,
      onWake: wake,
      onPrinted: printed,
    })
  const { engine } = choice
  const upstreams = new PlaneUpstreams({
    engine,
    plane: 0,
    share: (count) => partOf(count, ALL),
    now: processNow,
    random: Math.random,
    // There is nobody else.
    news: { room: () => {}, wanted: () => {}, turned, wake, printed },
  })
  return new DataPlane({ engine, control: desk, upstreams })
}

/** What a reload does not take over. What of the traffic is recorded is each listener's. */
const DEFERRED = {
  record: "'record', where to and how,",
  log: "'log'",
  engine: "'engine'",
  workers: "'workers'",
} as const

/** What a config may leave to the program. */
const parsingOf = ({ connectTarget, activators = {}, sink }: GatewayOptions): ParseOptions => ({
  upstreamOptional: connectTarget !== undefined,
  activators: new Set(Object.keys(activators)),
  ownSink: sink !== undefined,
})

class RunningGateway implements ManagedGateway {
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
    this.#plane = planeOf(choice, desk, sites, logger, {
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

  async open(): Promise<void> {
    this.#budget.plan(this.#config)
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
    this.#budget.plan(config)
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

/** Of the engine that lends listeners to processes: the chosen one, or another, made when it is first needed. */
class Lender {
  readonly #choice: EngineChoice
  #engine: Engine | null = null

  constructor(choice: EngineChoice) {
    this.#choice = choice
  }

  /** @throws TidegateError `engine_unavailable` */
  engine(): Engine {
    this.#engine ??= lendingEngine(this.#choice)
    return this.#engine
  }

  /** The chosen one is its plane's. */
  async close(): Promise<void> {
    if (this.#engine !== this.#choice.engine) await this.#engine?.close()
  }
}

const workersOf = (choice: EngineChoice): number => (choice.kind === 'threaded' ? choice.workers : 0)

const logChoice = (logger: Logger, choice: EngineChoice, wanted: number): void => {
  const { engine, reason } = choice
  const workers = workersOf(choice)
  if (workers < wanted)
    logger.warn({ workers: wanted }, 'no workers: this engine serves on the main thread only')
  logger.info({ engine: engine.name, reason, workers }, 'engine chosen')
}

/**
 * Starts a gateway: resolves once every listener accepts.
 *
 * @throws TidegateError (rejects) `config_invalid` with all that is wrong; `value_invalid` for a hook that is none; `file_unwritable` and the like for the
 * recording; the errors of `listen` (`address_in_use`, `permission_denied`, `name_not_found`, `listen_failed`). Nothing is left
 * open then.
 */
export const createGateway = async (
  config: GatewayConfigInput,
  options: GatewayOptions = {},
): Promise<Gateway> => {
  checkOptions(options)
  return startGateway(parseConfig(config, 'config', parsingOf(options)), options)
}

/** As {@link createGateway}, for a config that is parsed already. */
export const startGateway = async (
  config: GatewayConfig,
  options: GatewayOptions = {},
): Promise<ManagedGateway> => {
  checkOptions(options)
  const { logger = SILENT } = options
  const figures = readDescriptors()
  const choice = chooseEngine(config.engine, config.workers)
  const workers = workersOf(choice)
  const budget = new BudgetKeeper(figures, { workers, acceptsAll: choice.engine.acceptsAll }, logger)
  const planes = 1 + workers
  let groups: GroupRecording | null = null
  const opening = async (): Promise<OpenedRecording | null> => {
    // Before a file is touched.
    budget.plan(config)
    groups = await openGroups(config, options, planes, logger)
    if (config.record === null && options.sink === undefined) return null
    // Only now: a gateway that records nothing starts in two thirds of the time.
    const { openRecording } = await import('./open-recording.js')
    return openRecording(config, planes, logger, options.sink)
  }
  const opened = await opening().catch(async (thrown: unknown) => {
    await groups?.abandon()
    await choice.engine.close()
    throw thrown
  })
  const gateway = new RunningGateway(config, options, choice, opened, groups, budget)
  try {
    await gateway.open()
  } catch (thrown) {
    await gateway.destroy()
    if (opened?.createdFile) await rm(opened.createdFile, { force: true })
    throw thrown
  }
  // Not before: what cannot start says just why.
  logChoice(logger, choice, config.workers)
  return gateway
}
