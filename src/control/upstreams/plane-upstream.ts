/**
 * An upstream as one plane sees it: its endpoints, who is chosen for a client, and who waits for a place.
 *
 * - eligible: what a client may be sent to: not tried yet, up, and a backup only while nothing else is
 * - waiting: clients whose endpoints are all full, served in the order they came (plane-queue.ts). Other planes have theirs: a
 *   place that becomes free is left to the plane whose client waits longest
 */

import { type Balancer, createBalancer } from '../../core/balance/balancer.js'
import { eligible } from '../../core/health/availability.js'
import { TidegateError } from '../../errors.js'
import type { Engine } from '../../ports/engine.js'
import { type EndpointHost, PlaneEndpoint } from './endpoint.js'
import { unreached } from './list-course.js'
import { PlaneQueue } from './plane-queue.js'
import type { Course, Next, Reach } from './reach.js'
import type { Member, UpstreamNews, UpstreamSettings } from './settings.js'
import type { UpstreamBoard } from './upstream-board.js'

export interface PlaneUpstreamOptions {
  readonly engine: Engine
  readonly plane: number
  /** Of what is shared out among the planes, this one's part. */
  readonly share: (count: number) => number
  readonly news: UpstreamNews
  readonly now: () => number
  readonly random: () => number
}

const WAIT: Next = { kind: 'wait' }

export class PlaneUpstream implements EndpointHost, Course {
  readonly engine: Engine
  readonly plane: number
  readonly board: UpstreamBoard
  readonly news: UpstreamNews
  readonly share: (count: number) => number
  readonly now: () => number
  readonly #random: () => number
  #settings: UpstreamSettings
  #balancer: Balancer
  #endpoints: readonly PlaneEndpoint[] = []
  /** By slot, those included that are no endpoints now: they may come back, while they have connections still. */
  readonly #known = new Map<number, PlaneEndpoint>()
  readonly #waiting: PlaneQueue
  /** When a member that is left out may be tried again, while clients wait for others. */
  #returnTimer: NodeJS.Timeout | null = null
  #returnsAt = Number.POSITIVE_INFINITY
  #isServing = false
  #isAwake: boolean

  constructor(settings: UpstreamSettings, board: UpstreamBoard, options: PlaneUpstreamOptions) {
    this.engine = options.engine
    this.plane = options.plane
    this.news = options.news
    this.share = options.share
    this.now = options.now
    this.#random = options.random
    this.board = board
    this.#waiting = new PlaneQueue(board.queue, options.plane)
    this.#settings = settings
    this.#balancer = createBalancer(settings.balance)
    this.#isAwake = settings.wake === null
    this.#takeMembers()
  }

  get isAwake(): boolean {
    return this.#isAwake
  }

  /** Its service runs, or not any more: connections are kept ready only for one that does. */
  setAwake(isAwake: boolean): void {
    if (isAwake === this.#isAwake) return
    this.#isAwake = isAwake
    for (const endpoint of this.#endpoints) {
      if (isAwake) endpoint.become(endpoint.member)
      else endpoint.retire()
    }
  }

  get settings(): UpstreamSettings {
    return this.#settings
  }

  /** Others from now on; members that stay keep their connections. */
  update(settings: UpstreamSettings): void {
    if (settings.wake === null) this.#isAwake = true
    if (settings.balance !== this.#settings.balance) this.#balancer = createBalancer(settings.balance)
    this.#settings = settings
    this.#takeMembers()
    this.#serveSoon()
  }

  /** It is not in the config any more: its connections go on, nobody new comes. */
  retire(): void {
    for (const endpoint of this.#endpoints) endpoint.retire()
    this.#endpoints = []
    this.#serveSoon()
    if (this.#returnTimer !== null) clearTimeout(this.#returnTimer)
  }

  next(reach: Reach): Next {
    const { client, tried } = reach
    if (reach.cameAt === 0) reach.cameAt = this.now()
    const isItsTurn =
      this.#waiting.has(reach) || (this.#waiting.size === 0 && !this.#waiting.isOthersTurn(reach.cameAt))
    const only = this.#endpoints.length === 1 ? this.#endpoints[0] : undefined
    if (only !== undefined && isItsTurn && tried.length === 0 && this.board.isUp(only.index))
      return only.tryTake() ?? this.#wait(reach)
    let left = this.#eligible(tried)
    if (left.length === 0) return this.#none(reach)
    while (isItsTurn) {
      const endpoint = this.#balancer.pick(left, client, this.#random)
      if (endpoint === null) break
      const next = endpoint.tryTake()
      if (next !== null) return next
      left = left.filter((each) => each !== endpoint)
    }
    return this.#wait(reach)
  }

  forget(reach: Reach): void {
    this.#waiting.delete(reach)
  }

  roomMade(): void {
    if (this.#waiting.size > 0 || this.board.queue.othersWait(this.plane)) this.#serveSoon()
  }

  /** There may be room: a place was given back elsewhere. */
  serve(): void {
    this.#serve(false)
  }

  /** `isInVain`: a place was left to others, and they have not come for it. */
  #serve(isInVain: boolean): void {
    const wasCalled = this.board.queue.answer(this.plane)
    let isServed = false
    for (const reach of this.#waiting) {
      const isHeldUp = reach.tried.length > 0
      if (!isHeldUp && !isInVain && this.#leavesTo(reach)) break
      if (reach.go()) {
        this.forget(reach)
        isServed = true
        // One that has tried some in vain waits for others than those behind it: it does not hold them up. Nor does one that has left.
      } else if (!isHeldUp && this.#waiting.has(reach)) break
    }
    if (this.#waiting.size === 0) return this.#leaveRoom()
    this.#awaitReturn()
    this.#askForIdle()
    // What none of these can use may be of use to others; and whoever has left a place here may have left more than was needed.
    const isOfNoUse = !this.#waiting.hasNewcomers && this.#waiting.hasElder && this.#makeRoom()
    if (isOfNoUse || (wasCalled && isServed)) this.#callElder()
  }

  /** There is room, but somebody on another plane waits longer. */
  #leavesTo({ cameAt }: Reach): boolean {
    if (!this.#waiting.isOthersTurn(cameAt)) return false
    const up = this.#eligible([])
    if (!up.some(({ hasPlace }) => hasPlace) && !up.some((endpoint) => endpoint.evictIdle(1) > 0))
      return false
    this.#waiting.leave(
      () => this.#serve(true),
      () => this.#serve(false),
    )
    this.#callElder()
    return true
  }

  /** Whether there is a place that any plane can take, be it that of an idle connection here. */
  #makeRoom(): boolean {
    const up = this.#eligible([])
    return up.some(({ hasPlace }) => hasPlace) || up.some((endpoint) => endpoint.evictIdle(1) > 0)
  }

  #callElder(): void {
    if (this.#waiting.callElder()) this.news.room(this.#settings.name)
  }

  /** Closes up to `count` idle connections. Returns how many were. */
  evictIdle(count: number): number {
    let evicted = 0
    for (const endpoint of this.#endpoints) {
      if (evicted >= count) break
      evicted += endpoint.evictIdle(count - evicted)
    }
    return evicted
  }

  /** How many the other planes have. */
  get idleElsewhere(): number {
    if (this.#settings.pool.mode === 'off') return 0
    return this.#endpoints.reduce((idle, endpoint) => idle + endpoint.idleElsewhere, 0)
  }

  /** A member is down, as somebody else has found. */
  cut(slot: number, why: string): void {
    this.#known.get(slot)?.cutAll(why)
    // Nobody may be left to wait for.
    if (this.#waiting.size > 0) this.#serveSoon()
  }

  #takeMembers(): void {
    const gone = new Set(this.#endpoints)
    this.#endpoints = this.#settings.members.map((member) => {
      const endpoint = this.#endpointOf(member)
      gone.delete(endpoint)
      return endpoint
    })
    for (const endpoint of gone) endpoint.retire()
  }

  #endpointOf(member: Member): PlaneEndpoint {
    const known = this.#known.get(member.slot)
    if (known?.key === member.key) {
      known.become(member)
      return known
    }
    const endpoint = new PlaneEndpoint(member, this)
    this.#known.set(member.slot, endpoint)
    return endpoint
  }

  #eligible(tried: readonly number[]): readonly PlaneEndpoint[] {
    const now = this.now()
    const left =
      tried.length === 0 ? this.#endpoints : this.#endpoints.filter(({ index }) => !tried.includes(index))
    return eligible(left, ({ index }) => this.board.state(index, now))
  }

  #wait(reach: Reach): Next {
    if (this.#waiting.has(reach)) return WAIT
    const { name, maxQueue, queueTimeoutMs } = this.#settings
    const timer = (): NodeJS.Timeout | null =>
      queueTimeoutMs > 0 ? setTimeout(() => this.#timedOut(reach), queueTimeoutMs) : null
    if (!this.#waiting.add(reach, maxQueue, timer)) {
      // Too late for this one.
      this.#askForIdle()
      const message =
        maxQueue === 0
          ? `all endpoints of '${name}' are full, and no client may wait (maxQueue 0)`
          : `${maxQueue} clients wait for a connection to '${name}' already (maxQueue)`
      return { kind: 'none', reason: 'queue_full', error: inVain('queue_full', message) }
    }
    // Whoever gave a place back before it could see that somebody waits has not told.
    this.#serveSoon()
    return WAIT
  }

  #timedOut(reach: Reach): void {
    const { name, queueTimeoutMs } = this.#settings
    this.forget(reach)
    const message = `no connection to '${name}' became free within ${queueTimeoutMs} ms`
    reach.fail('queue_timeout', inVain('queue_timeout', message))
  }

  /** A member that is left out comes back with the time, and nobody tells. */
  #awaitReturn(): void {
    const now = this.now()
    for (const { index } of this.#endpoints) {
      const at = this.board.ejectedUntil(index)
      if (at <= now || at >= this.#returnsAt) continue
      this.#returnsAt = at
      if (this.#returnTimer !== null) clearTimeout(this.#returnTimer)
      this.#returnTimer = setTimeout(
        () => {
          this.#returnTimer = null
          this.#returnsAt = Number.POSITIVE_INFINITY
          this.serve()
          // A timer may be early by a fraction.
        },
        at - now + 1,
      )
      this.#returnTimer.unref()
    }
  }

  #none({ lastError, tried }: Reach): Next {
    if (tried.length > 0) return unreached(lastError)
    const { name, members } = this.#settings
    const message =
      members.length === 0
        ? `upstream '${name}' has no endpoint`
        : `no endpoint of '${name}' is up (${members.length} down)`
    const error = new TidegateError('endpoint_down', message, { fault: 'peer', retryable: true })
    return { kind: 'none', reason: 'no_endpoint', error }
  }

  /** Not at once: whoever made room is still at it. */
  #serveSoon(): void {
    if (this.#isServing) return
    this.#isServing = true
    process.nextTick(() => {
      this.#isServing = false
      this.serve()
    })
  }

  /** Of the other planes. One of theirs that becomes idle from here on is given up by itself. */
  #askForIdle(): void {
    if (this.#endpoints.some((endpoint) => endpoint.idleElsewhere > 0)) this.news.wanted(this.#settings.name)
  }

  /** To the other planes. */
  #leaveRoom(): void {
    if (!this.board.queue.othersWait(this.plane) || !this.board.queue.announceRoom()) return
    this.evictIdle(1)
    this.news.room(this.#settings.name)
  }
}

const inVain = (code: 'queue_full' | 'queue_timeout', message: string): TidegateError =>
  new TidegateError(code, message, { fault: 'system', retryable: true })
