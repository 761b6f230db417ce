/**
 * One connection to a database, on which nothing waits for ever: each step ends, by the server's answer, by its silence, or because
 * somebody gave up. After any of the last two the connection is gone, and what was being done has failed.
 */

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Client } from 'pg'
import { messageOf } from '../errors.js'
import type { PostgresPackages } from './packages.js'
import type { PostgresUrl } from './url.js'

export type Row = Readonly<Record<string, unknown>>

export interface Answer {
  readonly rows: readonly Row[]
  /** Rows that it returned, or stored. */
  readonly count: number
}

/** How long TCP may be idle before it is asked whether the other end is there. */
const KEEP_ALIVE_MS = 10_000
/** What a farewell may take. */
const GOODBYE_MS = 1000

export class Session {
  readonly #client: Client
  readonly #packages: PostgresPackages
  readonly #timeoutMs: number
  /** Who is told when the connection goes. */
  readonly #waiting = new Set<(why: unknown) => void>()
  /** Why it did. */
  #gone: Error | null = null
  #isOpen = true

  private constructor(client: Client, packages: PostgresPackages, timeoutMs: number) {
    this.#client = client
    this.#packages = packages
    this.#timeoutMs = timeoutMs
    client.on('error', (error) => this.destroy(error))
    client.on('end', () => this.destroy(new Error('Connection terminated')))
  }

  /** @throws (rejects) what the driver says. */
  static async connect(packages: PostgresPackages, url: PostgresUrl): Promise<Session> {
    const { connection, timeoutMs } = url
    const client = new packages.Client({
      connectionString: connection,
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      fallback_application_name: 'tidegate',
    })
    const session = new Session(client, packages, timeoutMs)
    try {
      await session.#unlessGone(client.connect())
      return session
    } catch (error) {
      session.destroy(error)
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * One statement; with values its parameters are $1, $2, …; without, several divided by semicolons will do.
   * @param patienceMs for how long the server may be silent
   */
  async query(
    text: string,
    values?: readonly unknown[],
    patienceMs: number = this.#timeoutMs,
  ): Promise<Answer> {
    const patience = this.#patience(patienceMs)
    try {
      const asked = values === undefined ? this.#client.query(text) : this.#client.query(text, [...values])
      const { rows = [], rowCount } = await this.#unlessGone(asked)
      return { rows, count: rowCount ?? 0 }
    } finally {
      patience.end()
    }
  }

  /** `COPY … FROM STDIN`: asks for a block once the one before is on its way. */
  async copyIn(text: string, blocks: Iterable<Uint8Array>): Promise<void> {
    const patience = this.#patience()
    const noting = function* (): Generator<Uint8Array> {
      for (const block of blocks) {
        patience.renew()
        yield block
      }
    }
    try {
      const stream = this.#client.query(this.#packages.copyFrom(text))
      const copied = pipeline(Readable.from(noting(), { highWaterMark: 1 }), stream)
      await this.#unlessGone(copied)
    } finally {
      patience.end()
    }
  }

  /** `COPY … TO STDOUT`, as its bytes come. To be read to its end; the connection is of no use otherwise, and is closed. */
  async *copyOut(text: string): AsyncGenerator<Uint8Array> {
    const stream = this.#client.query(this.#packages.copyTo(text))
    const chunks = stream[Symbol.asyncIterator]()
    let isOver = false
    try {
      for (;;) {
        // Of the server: whoever takes the pieces may take his time.
        const patience = this.#patience()
        const next = await this.#unlessGone(chunks.next()).finally(() => patience.end())
        isOver = next.done === true
        if (next.done === true) return
        yield next.value as Uint8Array
      }
    } finally {
      if (!isOver) this.destroy(new Error('the rest was not wanted'))
    }
  }

  /** Gives up at once, whatever is going on, which fails with `why`. Idempotent. */
  destroy(why: unknown): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#gone = why instanceof Error ? why : new Error(messageOf(why))
    for (const tell of this.#waiting) tell(this.#gone)
    streamOf(this.#client)?.destroy()
  }

  /** Says goodbye. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    const timer = setTimeout(() => streamOf(this.#client)?.destroy(), GOODBYE_MS)
    await this.#client.end().catch(() => {})
    clearTimeout(timer)
  }

  /**
   * What `work` comes to, or why the connection went if that is first. A race with one promise for the whole session would keep what
   * each piece of work came to until the session ends.
   */
  #unlessGone<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject))
      if (this.#gone !== null) reject(this.#gone)
    })
  }

  /** Gives up when nothing happens for too long. */
  #patience(ms: number = this.#timeoutMs): { renew(): void; end(): void } {
    const giveUp = (): void => this.destroy(new Error(`the server has not answered for ${ms / 1000} s`))
    const timer = setTimeout(giveUp, ms)
    return { renew: () => void timer.refresh(), end: () => clearTimeout(timer) }
  }
}

/** The driver has no way of its own to drop a connection. */
const streamOf = (client: Client): { destroy(): void } | null => {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } }
  return connection?.stream ?? null
}
