/**
 * The listeners of a gateway: opens what a config says, and takes over another config later without touching open
 * connections.
 */

import type { GatewayConfig, ListenerConfig } from '../config/config.js'
import { type Address, formatAddress } from '../core/address.js'
import { EVERYTHING, Switch } from '../core/record/capture.js'
import { messageOf, TidegateError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import type { ControlDesk, ListenerEntry } from './desk.js'
import type { ListenerSettings, Plane } from './plane.js'
import { configuredRoute, listenerSettings, needsNewSocket } from './settings.js'
import type { LentListeners } from './wake/lent-listeners.js'
import { isWoken, type WokenUpstream } from './wake/settings.js'

interface RunningListener {
  readonly settings: ListenerSettings
  /** A process accepts from it, not this gateway. */
  readonly lentTo: WokenUpstream | null
  readonly entry: ListenerEntry
  readonly address: Address
}

export interface GatewayListener {
  readonly name: string
  /** The real one: port 0 has become the port the kernel chose. */
  readonly address: Address
  /** Whether its connections are recorded just now (see `setRecording`); null: none of them ever is. */
  readonly recording: boolean | null
}

/** Whether a reload has to open the socket anew. */
const isOther = (before: RunningListener, listener: ListenerConfig, lent: WokenUpstream | null): boolean =>
  needsNewSocket(before.settings, listenerSettings(listener)) || before.lentTo?.name !== lent?.name

/** Whose process accepts by itself; null: this gateway does. */
const lentTo = (config: GatewayConfig, { upstream: name }: ListenerConfig): WokenUpstream | null => {
  const upstream = name === null ? undefined : config.upstreams[name]
  return upstream !== undefined && isWoken(upstream) && upstream.wake.mode === 'listener' ? upstream : null
}

/** Who gets what is recorded. */
export interface RecordTakers {
  readonly recording: boolean
  readonly groups: boolean
}

/** Whether a listener is recorded. */
interface RecordingSwitch {
  readonly cell: Switch
  /** What the config last said; in between it can be switched. */
  enabled: boolean
}

export class ListenerSet {
  readonly #plane: Plane
  readonly #lent: LentListeners
  readonly #desk: ControlDesk
  readonly #logger: Logger
  /** The gateway was started with somewhere to record to, and with resource groups. */
  readonly #takers: RecordTakers
  readonly #running = new Map<string, RunningListener>()
  /** By name. Those of listeners that a reload removed stay, for the connections that they leave behind. */
  readonly #switches = new Map<string, RecordingSwitch>()

  constructor(plane: Plane, lent: LentListeners, desk: ControlDesk, logger: Logger, takers: RecordTakers) {
    this.#plane = plane
    this.#lent = lent
    this.#desk = desk
    this.#logger = logger
    this.#takers = takers
  }

  get all(): readonly GatewayListener[] {
    return Array.from(this.#running, ([name, { address, entry }]) => ({
      name,
      address,
      recording: entry.capture?.isRecorded === true ? (this.#switches.get(name)?.cell.isOn ?? null) : null,
    }))
  }

  /**
   * Switches the recording of a listener, on all threads at once.
   * @throws TidegateError `not_found` without such a listener, `misuse` if nothing of it is ever recorded.
   */
  setRecording(name: string, isOn: boolean): void {
    this.check(name)
    const running = this.#running.get(name)
    if (running === undefined) return
    if (running.entry.capture?.isRecorded !== true)
      throw new TidegateError(
        'misuse',
        `listener '${name}' cannot be recorded: it has no 'record' section, or the gateway was started without one`,
        {
          fault: 'usage',
          where: name,
        },
      )
    this.#switch(name, isOn)
  }

  /** Names of the upstreams that they lead to. */
  get upstreams(): readonly string[] {
    return Array.from(this.#running.values(), ({ entry: { route } }) =>
      route.kind === 'upstream' ? [route.upstream] : [],
    ).flat()
  }

  /** Opens all of them. @throws (rejects) the first that cannot be; those before it are open. */
  async open(config: GatewayConfig): Promise<void> {
    for (const listener of config.listeners) {
      const address = await this.#start(listener.name, {
        settings: listenerSettings(listener),
        lentTo: lentTo(config, listener),
        entry: this.#entryOf(config, listener),
      })
      this.#logger.info({ listener: listener.name, address: formatAddress(address) }, 'listening')
      if (listener.record && lentTo(config, listener) !== null)
        this.#logger.warn(
          { listener: listener.name },
          'nothing is recorded here: a process accepts by itself',
        )
    }
  }

  /**
   * Closes, opens and changes listeners until they are as `config` says. @throws (rejects) the first error, when all
   * that can be done is done; a listener whose new address cannot be had is as it was.
   */
  async become(config: GatewayConfig): Promise<void> {
    const before = new Map(this.#running)
    // All that go, go first: two listeners may be swapping their addresses.
    for (const [name, running] of before) {
      const listener = config.listeners.find((each) => each.name === name)
      if (listener === undefined || isOther(running, listener, lentTo(config, listener)))
        await this.#shut(name)
    }
    const failures: unknown[] = []
    for (const listener of config.listeners)
      await this.#change(config, listener, before).catch((thrown: unknown) => failures.push(thrown))
    if (failures.length > 0) throw failures[0]
  }

  /** @throws TidegateError `not_found` without a listener of that name; undefined stands for all. */
  check(name: string | undefined): void {
    if (name === undefined || this.#running.has(name)) return
    throw new TidegateError('not_found', `no listener is named '${name}'`, { fault: 'usage', where: name })
  }

  /** Has all threads take over what the desk says of the listeners now. Resolves when it holds. */
  async refresh(): Promise<void> {
    for (const { settings, lentTo } of this.#running.values())
      if (lentTo === null) await this.#plane.update(settings)
  }

  /** All are shut, by whoever drained the plane. */
  clear(): void {
    this.#running.clear()
  }

  async #change(
    config: GatewayConfig,
    listener: ListenerConfig,
    before: ReadonlyMap<string, RunningListener>,
  ): Promise<void> {
    const { name } = listener
    const running = this.#running.get(name)
    if (running !== undefined) {
      const settings = listenerSettings(listener)
      const entry = this.#entryOf(config, listener)
      const lent = lentTo(config, listener)
      this.#enter(name, entry)
      if (lent === null) await this.#plane.update(settings)
      else this.#lent.update(name, lent)
      this.#running.set(name, { settings, lentTo: lent, entry, address: running.address })
      return
    }
    try {
      await this.open({ ...config, listeners: [listener] })
    } catch (thrown) {
      const former = before.get(name)
      if (former !== undefined) await this.#restore(name, former)
      throw thrown
    }
  }

  /** That it cannot be had again is news beside the error that made it necessary. */
  async #restore(name: string, former: RunningListener): Promise<void> {
    try {
      await this.#start(name, former)
    } catch (thrown) {
      this.#logger.error({ listener: name, error: messageOf(thrown) }, 'the listener is gone')
    }
  }

  async #start(name: string, listener: Omit<RunningListener, 'address'>): Promise<Address> {
    const { settings, lentTo: upstream, entry } = listener
    // Before the socket is there: the first client may come at once.
    this.#enter(name, entry)
    const opening =
      upstream === null ? this.#plane.open(settings) : this.#lent.open(name, settings.spec, upstream)
    const address = await opening
    this.#running.set(name, { ...listener, address })
    return address
  }

  #entryOf(config: GatewayConfig, listener: ListenerConfig): ListenerEntry {
    const route = configuredRoute(config, listener)
    const { recording, groups } = this.#takers
    const { record, handedOver, name } = listener
    if (!(recording || groups) || handedOver === null || lentTo(config, listener) !== null)
      return { route, capture: null }
    // With `record: false` there is nothing to switch, and only groups are handed what there is.
    const { buffer } = record === null ? EVERYTHING.recording : this.#switchOf(name).cell
    return {
      route,
      capture: { config: handedOver, recording: buffer, isRecorded: recording && record !== null },
    }
  }

  /** A config that says the same of its recording as the one before leaves it as it was switched meanwhile. */
  #enter(name: string, entry: ListenerEntry): void {
    const known = this.#switchOf(name)
    const isSwitched = entry.capture !== null && entry.capture.recording !== EVERYTHING.recording.buffer
    const enabled = isSwitched && entry.capture?.config.enabled === true
    if (known.enabled !== enabled) this.#switch(name, enabled)
    known.enabled = enabled
    this.#desk.enter(name, entry)
  }

  #switchOf(name: string): RecordingSwitch {
    const known = this.#switches.get(name) ?? { cell: new Switch(), enabled: false }
    this.#switches.set(name, known)
    return known
  }

  #switch(name: string, isOn: boolean): void {
    const { cell } = this.#switchOf(name)
    if (cell.isOn === isOn) return
    cell.set(isOn)
    // At the start there is nothing to switch.
    if (this.#running.has(name))
      this.#logger.info({ listener: name }, isOn ? 'recording switched on' : 'recording switched off')
  }

  async #shut(name: string): Promise<void> {
    this.#running.delete(name)
    if (this.#lent.has(name)) await this.#lent.shut(name)
    else await this.#plane.shut(name)
    this.#logger.info({ listener: name }, 'stopped listening')
  }
}
