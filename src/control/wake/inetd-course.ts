/**
 * The way to a service that is one process per client: instead of a dial, a process is started.
 *
 * - place: one of the upstream's `maxConnections`. It is free again when the connection has ended and nothing of the process runs any
 *   more, whichever is later
 */

import { createInetd, type Inetd, type InetdOptions } from '../../activate/inetd.js'
import { groupKeeper } from '../../activate/keeper.js'
import { LineLimit } from '../../activate/line-limit.js'
import type { Address } from '../../core/address.js'
import type { CloseReason } from '../../core/close-reason.js'
import { TidegateError } from '../../errors.js'
import type { Conn, Dial, DialDone, UpstreamLeft } from '../../ports/engine.js'
import type { PlaneUpstream } from '../upstreams/plane-upstream.js'
import type { Course, DialPlace, LinkedSession, Next, Reach, UpstreamUse } from '../upstreams/reach.js'
import type { InetdSettings } from './settings.js'
import { WakeGuard } from './wake-guard.js'

/** Pairs each end of a connection with an end of a process. */
class Places {
  readonly #ended: (() => void)[] = []
  #processesGone = 0

  connectionEnded(giveBack: () => void): void {
    this.#ended.push(giveBack)
    this.#settle()
  }

  processGone(): void {
    this.#processesGone++
    this.#settle()
  }

  #settle(): void {
    while (this.#processesGone > 0 && this.#ended.length > 0) {
      this.#processesGone--
      this.#ended.shift()?.()
    }
  }
}

/** When the gateway closes: the clients have left by then, or had their time to. */
const LAST_STOP_MS = 1000

export class InetdCourse implements Course {
  readonly #upstream: PlaneUpstream
  readonly #guard: WakeGuard
  readonly #places = new Places()
  readonly #admitted = new WeakSet<Reach>()
  readonly #inetd: Inetd
  /** Of all its processes together: any client can make its own talkative. */
  readonly #lines: LineLimit

  constructor(upstream: PlaneUpstream, settings: InetdSettings) {
    this.#upstream = upstream
    this.#lines = new LineLimit((line) => upstream.news.printed(upstream.settings.name, null, line))
    this.#guard = new WakeGuard(settings)
    this.#inetd = createInetd(upstream.engine, this.#optionsOf(settings))
  }

  /** Processes that run go on. */
  update(settings: InetdSettings): void {
    this.#guard.update(settings)
    this.#inetd.become(this.#optionsOf(settings))
  }

  next(reach: Reach): Next {
    if (!this.#admitted.has(reach)) {
      const held = this.#guard.look(reach, (refusal) => this.#judged(reach, refusal))
      if (held !== null) return held
      this.#admitted.add(reach)
    }
    const next = this.#upstream.next(reach)
    if (next.kind !== 'dial' || next.place === null) return next
    return { ...next, place: new ProcessPlace(this.#inetd, this.#places, next.place) }
  }

  forget(reach: Reach): void {
    this.#guard.forget(reach)
    this.#upstream.forget(reach)
  }

  /** Nobody comes any more. Resolves when the last client's process has ended by itself. */
  async retire(): Promise<void> {
    await this.#inetd.empty()
    await this.#inetd.close()
  }

  /** Resolves when no process runs. */
  async close(): Promise<void> {
    await this.#inetd.close(LAST_STOP_MS)
    this.#lines.close()
  }

  #judged(reach: Reach, refusal: TidegateError | null): void {
    if (refusal !== null) return reach.fail('denied', refusal)
    this.#admitted.add(reach)
    if (reach.go()) this.forget(reach)
  }

  #optionsOf({ argv, workdir, env, uid, gid, stopTimeoutMs }: InetdSettings): InetdOptions {
    const { news, settings } = this.#upstream
    return {
      argv,
      env,
      stopTimeoutMs,
      keeper: groupKeeper(),
      ...(workdir === null ? {} : { cwd: workdir }),
      ...(uid === null ? {} : { uid }),
      ...(gid === null ? {} : { gid }),
      output: (line, pid) => {
        if (this.#lines.take()) news.printed(settings.name, pid, line)
      },
      exited: (pid, code, signal) => {
        // That one ends well is told by its client's line.
        if (code === 0 || !this.#lines.take()) return
        news.printed(
          settings.name,
          pid,
          signal === null ? `exited with code ${code}` : `was killed by ${signal}`,
        )
      },
      places: {
        take: () => true,
        give: () => this.#places.processGone(),
      },
    }
  }
}

const inVain = (error: TidegateError | null): TidegateError =>
  new TidegateError(
    'wake_failed',
    `the service could not be started: ${error?.message ?? 'no reason is known'}`,
    {
      fault: error?.fault ?? 'system',
      retryable: error?.retryable ?? false,
      cause: error,
    },
  )

class ProcessPlace implements DialPlace {
  readonly #inetd: Inetd
  readonly #places: Places
  readonly #place: DialPlace

  constructor(inetd: Inetd, places: Places, place: DialPlace) {
    this.#inetd = inetd
    this.#places = places
    this.#place = place
  }

  get slot(): number {
    return this.#place.slot
  }

  dial(client: Address, local: Address, done: DialDone): Dial {
    return this.#inetd.dial(client, local, (error, conn) => {
      if (conn === null) done(inVain(error), null)
      else done(null, conn)
    })
  }

  header(client: Address, local: Address): Uint8Array | null {
    return this.#place.header(client, local)
  }

  connected(conn: Conn): UpstreamUse {
    return new ProcessUse(this.#places, this.#place.connected(conn))
  }

  failed(error: Error): void {
    this.#places.connectionEnded(() => this.#place.failed(error))
  }

  cancelled(): void {
    this.#places.connectionEnded(() => this.#place.cancelled())
  }
}

class ProcessUse implements UpstreamUse {
  readonly reuseAfterMs = null
  readonly isReplaceable = false
  readonly isFresh = true
  readonly #places: Places
  readonly #use: UpstreamUse

  constructor(places: Places, use: UpstreamUse) {
    this.#places = places
    this.#use = use
  }

  linked(session: LinkedSession): void {
    this.#use.linked(session)
  }

  unused(): void {
    this.#places.connectionEnded(() => this.#use.unused())
  }

  ended(reason: CloseReason, downstreamBytes: number): void {
    this.#places.connectionEnded(() => this.#use.ended(reason, downstreamBytes))
  }

  takeBack(left: UpstreamLeft): void {
    this.#places.connectionEnded(() => this.#use.takeBack(left))
  }
}
