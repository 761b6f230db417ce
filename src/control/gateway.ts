/**
 * The gateway: the composition root of the library. It reads the config, opens the recording and the listeners, and
 * closes everything in order.
 */

import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig, GatewayConfigInput, ListenerConfig } from '../config/config.js'
import { parseConfig } from '../config/parse.js'
import { type Address, formatAddress } from '../core/address.js'
import type { ConnectionCounters, LiveConnection } from '../core/session/record.js'
import { createPortableEngine } from '../engine/portable/engine.js'
import { type Logger, SILENT } from '../ports/logger.js'
import { openFileSink } from '../sinks/file/file-sink.js'
import { DataPlane, type ListenerSettings } from './data-plane.js'
import { ControlDesk, describeRoute } from './desk.js'
import type { ConnectionObserver, ConnectTarget, Inspect } from './hooks.js'
import { type Recording, type RecordingCounters, startRecording } from './recording.js'
import { configuredRoute, listenerSettings, needsNewSocket } from './settings.js'
import { VERSION } from './version.js'

/** The caller's own code, and where the gateway's log goes. All optional. */
export interface GatewayOptions {
  readonly connectTarget?: ConnectTarget
  readonly inspect?: Inspect
  readonly observers?: readonly ConnectionObserver[]
  /** Default: silent. A pino logger fits. */
  readonly logger?: Logger
}

export interface GatewayListener {
  readonly name: string
  /** The real one: port 0 has become the port the kernel chose. */
  readonly address: Address
}

export interface GatewayCounters {
  /** By listener name; a listener that a reload removed keeps its figures. */
  readonly listeners: Readonly<Record<string, ConnectionCounters>>
  /** Null when nothing is recorded. */
  readonly recording: RecordingCounters | null
}

export interface Gateway {
  readonly listeners: readonly GatewayListener[]
  /** The connections that are open now, oldest first. */
  connections(): readonly LiveConnection[]
  counters(): GatewayCounters
  /** Ends one connection at once, with reason `killed`. False when there is no such connection. */
  kill(id: number): boolean
  /**
   * Takes over another config without touching open connections: listeners come, go and change; one whose address
   * and socket options stay keeps its socket. What is recorded where stays as it was until the next start.
   * @throws TidegateError (rejects) `config_invalid`: nothing has changed. Errors of `listen`: that listener is
   * as it was, the others are as the new config says.
   */
  reload(config: GatewayConfigInput): Promise<void>
  /**
   * Stops accepting, lets connections end by themselves for the drain timeout (ms; default: the config's), cuts the
   * rest, completes the recording. Idempotent.
   */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>
  /** As `close`, without waiting for anybody; also ends a `close` that waits. */
  destroy(): Promise<void>
}

/** A gateway as the command line runs it: with configs that are parsed already. */
export interface ManagedGateway extends Gateway {
  /** As `reload`. */
  apply(config: GatewayConfig): Promise<void>
}

interface RunningListener {
  readonly settings: ListenerSettings
  readonly address: Address
}

class RunningGateway implements ManagedGateway {
  readonly #engine = createPortableEngine()
  readonly #desk: ControlDesk
  readonly #plane: DataPlane
  readonly #recording: Recording | null
  readonly #logger: Logger
  readonly #upstreamOptional: boolean
  readonly #running = new Map<string, RunningListener>()
  #config: GatewayConfig
  #closing: Promise<void> | null = null

  constructor(config: GatewayConfig, options: GatewayOptions, recording: Recording | null) {
    const { connectTarget, inspect, observers = [], logger = SILENT } = options
    this.#config = config
    this.#recording = recording
    this.#logger = logger
    this.#upstreamOptional = connectTarget !== undefined
    this.#desk = new ControlDesk({ connectTarget, inspect, observers, logger, recording })
    this.#plane = new DataPlane(this.#engine, this.#desk)
  }

  get listeners(): readonly GatewayListener[] {
    return Array.from(this.#running, ([name, { address }]) => ({ name, address }))
  }

  connections(): readonly LiveConnection[] {
    return this.#plane.connections()
  }

  counters(): GatewayCounters {
    return {
      listeners: Object.fromEntries(this.#plane.counters()),
      recording: this.#recording?.counters() ?? null,
    }
  }

  kill(id: number): boolean {
    return this.#plane.kill(id)
  }

  async openAll(): Promise<void> {
    for (const listener of this.#config.listeners) await this.#open(listener)
  }

  async reload(input: GatewayConfigInput): Promise<void> {
    await this.apply(parseConfig(input, 'config', { upstreamOptional: this.#upstreamOptional }))
  }

  async apply(config: GatewayConfig): Promise<void> {
    if (!isDeepStrictEqual(config.record, this.#config.record))
      this.#logger.warn({}, "what the config now says about 'record' takes effect at the next start")
    this.#config = config
    const wanted = new Set(config.listeners.map(({ name }) => name))
    for (const name of [...this.#running.keys()]) if (!wanted.has(name)) await this.#shut(name)
    const failures: unknown[] = []
    for (const listener of config.listeners)
      await this.#replace(listener).catch((thrown: unknown) => failures.push(thrown))
    if (failures.length > 0) throw failures[0]
    this.#logger.info({ listeners: this.#running.size }, 'config reloaded')
  }

  close({
    drainTimeoutMs = this.#config.drainTimeoutMs,
  }: {
    readonly drainTimeoutMs?: number
  } = {}): Promise<void> {
    this.#closing ??= this.#close(drainTimeoutMs)
    return this.#closing
  }

  destroy(): Promise<void> {
    const closed = this.close({ drainTimeoutMs: 0 })
    this.#plane.cutAll()
    return closed
  }

  async #close(drainTimeoutMs: number): Promise<void> {
    await this.#plane.drain(drainTimeoutMs)
    this.#running.clear()
    await this.#recording?.close()
    await this.#engine.close()
  }

  async #open(listener: ListenerConfig): Promise<void> {
    const settings = listenerSettings(listener)
    this.#enter(listener)
    const address = await this.#plane.open(settings)
    this.#running.set(listener.name, { settings, address })
    this.#logger.info({ listener: listener.name, address: formatAddress(address) }, 'listening')
  }

  #enter(listener: ListenerConfig): void {
    this.#desk.enter(listener.name, {
      route: configuredRoute(this.#config, listener),
      recorded: listener.record,
    })
  }

  async #replace(listener: ListenerConfig): Promise<void> {
    const before = this.#running.get(listener.name)
    if (before === undefined) return this.#open(listener)
    const settings = listenerSettings(listener)
    if (!needsNewSocket(before.settings, settings)) {
      this.#enter(listener)
      this.#plane.update(settings)
      this.#running.set(listener.name, { settings, address: before.address })
      return
    }
    await this.#shut(listener.name)
    try {
      await this.#open(listener)
    } catch (thrown) {
      const address = await this.#plane.open(before.settings)
      this.#running.set(listener.name, { settings: before.settings, address })
      throw thrown
    }
  }

  async #shut(name: string): Promise<void> {
    this.#running.delete(name)
    await this.#plane.shut(name)
    this.#logger.info({ listener: name }, 'stopped listening')
  }
}

const openRecording = async (config: GatewayConfig, logger: Logger): Promise<Recording | null> => {
  if (config.record === null) return null
  const { file, overload, onFailure, bufferBytes } = config.record
  const sink = await openFileSink(file)
  if (sink.repairedBytes > 0)
    logger.warn(
      { file, cutBytes: sink.repairedBytes },
      'the recording ended in a torn block, which was cut off',
    )
  logger.info({ file, ...(sink.appended ? { continued: true } : {}) }, 'recording')
  const listeners = config.listeners
    .filter(({ record }) => record)
    .map((listener) => ({
      name: listener.name,
      description: describeRoute(configuredRoute(config, listener)),
    }))
  return startRecording({
    sink,
    overload,
    onFailure,
    maxBufferedBytes: bufferBytes,
    listeners,
    application: `tidegate ${VERSION}`,
    logger,
  })
}

/**
 * Starts a gateway: resolves once every listener accepts.
 *
 * @throws TidegateError (rejects) `config_invalid` with all that is wrong; `file_unwritable` and the like for the
 * recording; the errors of `listen` (`address_in_use`, `permission_denied`, `name_not_found`, `listen_failed`). Nothing is left
 * open then.
 */
export const createGateway = async (
  config: GatewayConfigInput,
  options: GatewayOptions = {},
): Promise<Gateway> => {
  const parsed = parseConfig(config, 'config', { upstreamOptional: options.connectTarget !== undefined })
  return startGateway(parsed, options)
}

/** As {@link createGateway}, for a config that is parsed already. */
export const startGateway = async (
  config: GatewayConfig,
  options: GatewayOptions = {},
): Promise<ManagedGateway> => {
  const recording = await openRecording(config, options.logger ?? SILENT)
  const gateway = new RunningGateway(config, options, recording)
  try {
    await gateway.openAll()
  } catch (thrown) {
    await gateway.destroy()
    throw thrown
  }
  return gateway
}
