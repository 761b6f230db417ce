/** The control plane's side of the control port: where clients go, who reads along, and what is said of the end. */

import { IdMap } from '../core/id-map.js'
import type { ConnectionIdentity, ConnectionRecord } from '../core/session/record.js'
import { messageOf } from '../errors.js'
import type { ControlPort, LinkedConnection, LinkWatch, RouteDecision } from '../ports/control.js'
import type { Link } from '../ports/engine.js'
import type { Logger } from '../ports/logger.js'
import { logClosed } from './connection-log.js'
import type { ConnectTarget } from './hooks.js'
import type { ListenerCapture } from './recording/captures.js'
import type { PlaneRecordings } from './recording/plane-recordings.js'
import type { ConnectionTap } from './recording/recording.js'
import { routeByHook } from './route-by-hook.js'
import { tellClosed, type Watchers, watchesLinks, watchLink } from './watch.js'

/** What the desk knows of a listener. */
export interface ListenerEntry {
  readonly route: RouteDecision
  /** Null: nothing of it is recorded. */
  readonly capture: ListenerCapture | null
}

export interface DeskOptions extends Watchers {
  readonly connectTarget: ConnectTarget | undefined
  /** The main thread's. */
  readonly recordings: PlaneRecordings
  /** Number of the resource group that a listener's connections have; null: none. */
  readonly groupOf: (listener: string) => number | null
  readonly logger: Logger
}

export class ControlDesk implements ControlPort {
  readonly #options: DeskOptions
  /** Entries of listeners that a reload removed stay, for the connections that they leave behind. */
  readonly #entries = new Map<string, ListenerEntry>()
  readonly #taps = new IdMap<ConnectionTap>()

  constructor(options: DeskOptions) {
    this.#options = options
  }

  enter(listener: string, entry: ListenerEntry): void {
    this.#entries.set(listener, entry)
    this.#options.recordings.enter(listener, entry.capture)
  }

  /** Whether anybody reads the accounts of connections that ended as connections do. */
  get wantsEveryRecord(): boolean {
    const { logger, observers } = this.#options
    return logger.isLevelEnabled?.('info') !== false || observers.some(({ onClose }) => onClose !== undefined)
  }

  /** Whether a hook wants to be there when bytes move: then the connection has to live on the hooks' thread. */
  get servesHere(): boolean {
    const { inspect, observers } = this.#options
    return inspect !== undefined || observers.some(watchesLinks)
  }

  groupOf(listener: string): number | null {
    return this.#options.groupOf(listener)
  }

  captureOf(listener: string): ListenerCapture | null {
    return this.#entries.get(listener)?.capture ?? null
  }

  /** Where the clients of a listener go when nobody is asked; null: connectTarget is. */
  fixedRoute(listener: string): RouteDecision | null {
    return this.#options.connectTarget === undefined ? (this.#entries.get(listener)?.route ?? null) : null
  }

  route(connection: ConnectionIdentity, unwanted: () => AbortSignal): RouteDecision | Promise<RouteDecision> {
    const entry = this.#entries.get(connection.listener)
    if (entry === undefined) throw new Error(`no listener is named '${connection.listener}'`)
    const { connectTarget } = this.#options
    return connectTarget === undefined
      ? entry.route
      : routeByHook(connectTarget, connection, entry.route, unwanted)
  }

  watch(connection: LinkedConnection, link: () => Link | null): LinkWatch {
    const tap = this.#tap(connection, link)
    return watchLink(this.#options, tap, connection, link)
  }

  closed(record: ConnectionRecord): void {
    const { logger, observers } = this.#options
    this.#taps.get(record.id)?.close(record.reason)
    this.#taps.delete(record.id)
    logClosed(logger, record)
    tellClosed(observers, record, (thrown) =>
      logger.error(
        { id: record.id, listener: record.listener, error: messageOf(thrown) },
        'an observer failed',
      ),
    )
  }

  #tap(connection: LinkedConnection, link: () => Link | null): ConnectionTap | null {
    const { recordings, groupOf } = this.#options
    const { id, listener, client, server } = connection
    const tap = recordings.open({ id, listener, client, server }, groupOf(listener), link)
    if (tap !== null) this.#taps.set(id, tap)
    return tap
  }
}
