/**
 * Listeners whose socket a process accepts from itself (`LISTEN_FDS`): started when somebody waits to be accepted, and started
 * again after it has exited. The socket stays open all along, so whoever comes in between waits in the kernel.
 *
 * - lent: this process opens the socket and looks whether somebody waits, but accepts nobody
 */

import { createExecActivator } from '../../activate/exec.js'
import { type Address, formatAddress } from '../../core/address.js'
import { TidegateError } from '../../errors.js'
import type { Engine, LentListener, ListenSpec } from '../../ports/engine.js'
import type { Logger } from '../../ports/logger.js'
import { execOptions } from './activators.js'
import { ServiceGate } from './service-gate.js'
import type { ServiceTurn, WokenUpstream } from './settings.js'
import { Supervisor } from './supervisor.js'

export interface LentListenersOptions {
  /** One that can lend, made when it is first needed. @throws TidegateError `engine_unavailable` */
  readonly engine: () => Engine
  readonly logger: Logger
  readonly now: () => number
}

interface Lent {
  readonly socket: LentListener
  readonly service: Supervisor
}

export class LentListeners {
  readonly #options: LentListenersOptions
  readonly #byName = new Map<string, Lent>()
  /** Those that end. */
  readonly #ending = new Set<Supervisor>()

  constructor(options: LentListenersOptions) {
    this.#options = options
  }

  has(listener: string): boolean {
    return this.#byName.has(listener)
  }

  /** By the upstream's name; that of its first listener, if there are several. */
  service(upstream: string): Supervisor | undefined {
    for (const { service } of this.#byName.values()) if (service.upstream === upstream) return service
    return undefined
  }

  /** @throws TidegateError (rejects) as `Engine.listen`; `engine_unavailable`. */
  async open(listener: string, spec: ListenSpec, upstream: WokenUpstream): Promise<Address> {
    const { engine, logger, now } = this.#options
    const socket = await engine().lend?.(spec)
    if (socket === undefined) throw cannotLend(formatAddress(spec.address))
    const watch = (): void => socket.onClient(() => service.wanted())
    const service = new Supervisor(upstream, this.#activator(listener, socket, upstream), {
      // Nobody passes here: it only says whether the process runs.
      gate: new ServiceGate(1),
      planes: {
        serviceTurned: (_name, turn) => {
          // While a process runs, those that wait are its.
          if (!service.isRunning) this.#turned(listener, socket, turn)
        },
      },
      logger,
      now,
      waiting: () => 0,
      onOpen: () => {},
      exitsByItself: true,
      onRest: watch,
    })
    this.#byName.set(listener, { socket, service })
    watch()
    return socket.address
  }

  update(listener: string, upstream: WokenUpstream): void {
    const lent = this.#byName.get(listener)
    lent?.service.become(upstream, this.#activator(listener, lent.socket, upstream))
  }

  /** Nobody is accepted any more; the process has `stopWithinMs` to end what it has. Resolves when it has ended. */
  async shut(listener: string, stopWithinMs = Number.POSITIVE_INFINITY): Promise<void> {
    const lent = this.#byName.get(listener)
    this.#byName.delete(listener)
    if (lent === undefined) return
    lent.socket.onClient(null)
    this.#ending.add(lent.service)
    await lent.service.close(stopWithinMs)
    this.#ending.delete(lent.service)
    lent.socket.close()
  }

  async close(stopWithinMs: number): Promise<void> {
    await Promise.all(Array.from(this.#byName.keys(), (name) => this.shut(name, stopWithinMs)))
  }

  /** Those that end are not waited for any more. */
  hurry(): void {
    for (const service of this.#ending) service.hurry()
  }

  #activator(listener: string, { fd }: LentListener, upstream: WokenUpstream) {
    return createExecActivator({
      ...execOptions(upstream),
      endpoints: [],
      ready: { by: 'start' },
      listeners: [{ fd, name: listener }],
    })
  }

  /** Those that wait are told that the process will not accept them. */
  #turned(listener: string, socket: LentListener, turn: ServiceTurn): void {
    if (turn.to !== 'failed') return
    const clients = socket.turnAway()
    if (clients > 0)
      this.#options.logger.info({ listener, clients, reason: 'wake_failed' }, 'clients turned away')
  }
}

const cannotLend = (where: string): TidegateError =>
  new TidegateError(
    'engine_unavailable',
    `${where}: mode: listener needs the linux engine, which can see a client without accepting it`,
    { fault: 'usage', where },
  )
