/** An engine whose dials a test decides, conns that note what was done to them, and one upstream on it. */

import type { GatewayConfigInput, UpstreamConfig } from '../../../src/config/config.js'
import { parseConfig } from '../../../src/config/parse.js'
import { PlaneUpstream } from '../../../src/control/upstreams/plane-upstream.js'
import { type Course, Reach, type UpstreamUse } from '../../../src/control/upstreams/reach.js'
import type { Member, UpstreamSettings } from '../../../src/control/upstreams/settings.js'
import { UpstreamBoard } from '../../../src/control/upstreams/upstream-board.js'
import { type Address, parseAddress } from '../../../src/core/address.js'
import type { CloseReason } from '../../../src/core/close-reason.js'
import { TidegateError } from '../../../src/errors.js'
import type { Conn, Dial, DialDone, Engine, UpstreamLeft } from '../../../src/ports/engine.js'
import { PeerConn } from '../peer-conn.js'

export class FakeConn extends PeerConn {
  isDestroyed = false
  readonly written: Buffer[] = []
  /** What `write` gives. */
  writing: Promise<void> = Promise.resolve()

  override destroy(): void {
    this.isDestroyed = true
  }

  override write(bytes?: Uint8Array): Promise<void> {
    this.written.push(Buffer.from(bytes ?? []))
    return this.writing
  }

  override confirm(): UpstreamLeft {
    return this.isDestroyed ? 'failed' : 'clean'
  }
}

export class FakeDial implements Dial {
  readonly address: Address
  readonly #done: DialDone
  state: 'open' | 'connected' | 'failed' | 'cancelled' = 'open'

  constructor(address: Address, done: DialDone) {
    this.address = address
    this.#done = done
  }

  get host(): string {
    return this.address.kind === 'tcp' ? this.address.host : this.address.path
  }

  connects(conn = new FakeConn(this.address)): FakeConn {
    this.#ends('connected')
    this.#done(null, conn)
    return conn
  }

  fails(code: 'connection_refused' | 'dial_timeout' = 'connection_refused'): void {
    this.#ends('failed')
    this.#done(new TidegateError(code, `${this.host}: ${code}`, { fault: 'peer' }), null)
  }

  cancel(): void {
    if (this.state === 'open') this.state = 'cancelled'
  }

  #ends(state: 'connected' | 'failed'): void {
    if (this.state !== 'open') throw new Error(`it is ${this.state} already`)
    this.state = state
  }
}

const unused = (): never => {
  throw new Error('not for this test')
}

export class FakeEngine implements Engine {
  readonly name = 'fake'
  readonly dials: FakeDial[] = []
  readonly listen = unused
  readonly link = unused
  readonly adopt = unused
  readonly close = unused
  readonly acceptsAll = false
  readonly budget = unused
  readonly onShortage = unused

  hasSpare(): boolean {
    return true
  }

  dial(address: Address, _options: object, done: DialDone): Dial {
    const dial = new FakeDial(address, done)
    this.dials.push(dial)
    return dial
  }

  get last(): FakeDial {
    const dial = this.dials.at(-1)
    if (dial === undefined) throw new Error('nothing was dialled')
    return dial
  }

  get open(): readonly FakeDial[] {
    return this.dials.filter(({ state }) => state === 'open')
  }
}

export type UpstreamInput = Exclude<NonNullable<GatewayConfigInput['upstreams']>[string], string>

export const upstreamConfig = (input: UpstreamInput): UpstreamConfig => {
  const config = parseConfig({
    listeners: [{ listen: '127.0.0.1:1', upstream: 'it' }],
    upstreams: { it: input },
  })
  const upstream = config.upstreams.it
  if (upstream === undefined) throw new Error('the config has lost its upstream')
  return upstream
}

export const address = (text: string): Address => parseAddress(text)

export const settingsOf = (input: UpstreamInput): UpstreamSettings => {
  const { endpoints, ...config } = upstreamConfig(input)
  const members = endpoints.map(({ address: at, weight, backup }, slot): Member => {
    const key = at.kind === 'tcp' ? `${at.host}:${at.port}` : at.path
    return { slot, address: at, key, weight, backup }
  })
  return { ...config, members, dial: { timeoutMs: 1000 }, wake: null, inetd: null }
}

/** What became of one client's way to the upstream. */
export class Client {
  readonly conn = new FakeConn()
  readonly reach: Reach
  readonly told: string[] = []
  upstream: Conn | null = null
  use: UpstreamUse | null = null
  end: { readonly reason: CloseReason; readonly error: Error } | null = null

  constructor(engine: Engine, course: Course, from: Address) {
    this.reach = new Reach(engine, course, { timeoutMs: 1000 }, from, this.conn, {
      queued: () => void this.told.push('queued'),
      waking: () => void this.told.push('waking'),
      dialling: (to) => void this.told.push(to.kind === 'tcp' ? to.host : to.path),
      reached: (_to, conn, use) => {
        this.told.push('reached')
        this.upstream = conn
        this.use = use
      },
      failed: (reason, error) => {
        this.told.push(reason)
        this.end = { reason, error }
      },
    })
  }

  get isOver(): boolean {
    return this.upstream !== null || this.end !== null
  }

  leave(reason: CloseReason = 'client_fin', downstreamBytes = 1): void {
    this.use?.ended(reason, downstreamBytes)
    this.use = null
  }
}

/** Time stands still until a test moves it. */
export class Scene {
  readonly engine = new FakeEngine()
  readonly board: UpstreamBoard
  readonly upstream: PlaneUpstream
  readonly news: string[] = []
  now = 1_000_000

  constructor(input: UpstreamInput, { board = new UpstreamBoard(1), plane = 0 } = {}) {
    this.board = board
    this.upstream = new PlaneUpstream(settingsOf(input), board, {
      engine: this.engine,
      plane,
      share: (count) => count,
      now: () => this.now,
      random: () => 0,
      news: {
        room: () => void this.news.push('room'),
        wanted: () => void this.news.push('wanted'),
        turned: (_name, slot, { to }) => void this.news.push(`${slot} ${to}`),
        wake: () => void this.news.push('wake'),
        printed: () => {},
      },
    })
  }

  client(from = '192.0.2.1:1000'): Client {
    const client = new Client(this.engine, this.upstream, address(from))
    client.reach.go()
    return client
  }

  /** One that has its connection. */
  served(): Client {
    const client = this.client()
    this.engine.last.connects()
    return client
  }
}

/** What was put off has been done. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
