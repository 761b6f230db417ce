/** Checks one member of an upstream again and again: does it accept, and does it answer as it should? */

import type { CheckConfig } from '../../config/config.js'
import { type Address, formatAddress } from '../../core/address.js'
import { encodeProxyHeader } from '../../core/codec/proxy-protocol/encode.js'
import type { ProxyVersion } from '../../core/codec/proxy-protocol/header.js'
import { afterCheck, type CheckState, UNCHECKED } from '../../core/health/active.js'
import { checkTransition, type Transition } from '../../core/health/transitions.js'
import { messageOf } from '../../errors.js'
import type { Conn, Dial, DialOptions, Engine } from '../../ports/engine.js'

const NOTHING = new Uint8Array(0)

const asText = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes).toString('latin1'))

export interface HealthCheckOptions {
  readonly engine: Engine
  readonly address: Address
  readonly config: CheckConfig
  /** Whoever expects a header gets one here, too: it names the gateway itself. */
  readonly sendProxyProtocol: ProxyVersion | null
  readonly dial: DialOptions
}

export class HealthCheck {
  readonly #engine: Engine
  readonly #address: Address
  readonly #config: CheckConfig
  readonly #proxyVersion: ProxyVersion | null
  readonly #dialOptions: DialOptions
  readonly #onTurn: (turn: Transition) => void
  #state: CheckState = UNCHECKED
  #timer: NodeJS.Timeout | null = null
  #dial: Dial | null = null
  #conn: Conn | null = null
  #isClosed = false

  constructor(options: HealthCheckOptions, onTurn: (turn: Transition) => void) {
    const { engine, address, config, sendProxyProtocol, dial } = options
    this.#engine = engine
    this.#address = address
    this.#config = config
    this.#proxyVersion = sendProxyProtocol
    this.#dialOptions = { ...dial, timeoutMs: config.timeoutMs }
    this.#onTurn = onTurn
  }

  /** The first check comes at once, the next ones an interval after the one before began. */
  start(): void {
    const beganAt = performance.now()
    void this.#check(beganAt + this.#config.timeoutMs).then((failure) => {
      if (this.#isClosed) return
      this.#took(failure)
      const wait = Math.max(0, beganAt + this.#config.intervalMs - performance.now())
      this.#timer = setTimeout(() => this.start(), wait).unref()
    })
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#dial?.cancel()
    this.#conn?.destroy()
  }

  #took(failure: string | null): void {
    const before = this.#state
    this.#state = afterCheck(before, failure === null, this.#config)
    const turn = checkTransition(before, this.#state, this.#config, failure ?? '')
    if (turn !== null) this.#onTurn(turn)
  }

  /** Null: passed. Never rejects; does not end when it is closed. */
  async #check(deadline: number): Promise<string | null> {
    try {
      const conn = await this.#connect()
      this.#conn = conn
      try {
        return await this.#talk(conn, deadline)
      } finally {
        this.#conn = null
        conn.destroy()
      }
    } catch (thrown) {
      return messageOf(thrown)
    }
  }

  #connect(): Promise<Conn> {
    return new Promise((resolve, reject) => {
      this.#dial = this.#engine.dial(this.#address, this.#dialOptions, (error, conn) => {
        this.#dial = null
        if (conn === null) reject(error)
        else resolve(conn)
      })
    })
  }

  async #talk(conn: Conn, deadline: number): Promise<string | null> {
    const { send, expect } = this.#config
    const header =
      this.#proxyVersion === null ? null : encodeProxyHeader(this.#proxyVersion, conn.local, conn.remote)
    const request = Buffer.concat([header ?? NOTHING, send ?? NOTHING])
    if (request.length > 0) await conn.write(request)
    if (expect === null) return null
    let reply = Buffer.alloc(0)
    while (reply.length < expect.length) {
      const bytes = await conn.read(expect.length - reply.length, Math.max(1, deadline - performance.now()))
      reply = Buffer.concat([reply, bytes])
      const isWrong = Buffer.compare(reply, expect.subarray(0, reply.length)) !== 0
      if (isWrong || bytes.length === 0)
        return `${formatAddress(this.#address)} answered ${asText(reply)} where ${asText(expect)} was expected`
    }
    return null
  }
}
