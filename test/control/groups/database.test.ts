/**
 * A program that feeds a PostgreSQL of its own by resource groups, which is stopped under load and started again. Four gateways go through
 * the same outage: three whose function tries again until a batch is stored, each with another `overload`, and one whose function gives up.
 */

import { Buffer } from 'node:buffer'
import { beforeAll, expect, it } from 'vitest'
import type { Session } from '../../../src/postgres/session.js'
import { decodeGogetwayFrame, type ResourceGroup, type WriteContext } from '../../../src/record.js'
import { type Database, POSTGRES_TOOLS, startDatabase } from '../../support/database.js'
import { payload } from '../../support/payload.js'
import type { Daemon } from '../../support/processes.js'
import { expectSameBytes } from '../../support/recording.js'
import { blockScope, eventually, type Scope, testScope } from '../../support/scope.js'
import { startCluster } from '../../support/servers/postgres.js'
import { describeWith } from '../../support/tools.js'
import { type Client, start } from './start.js'

const MIB = 1024 * 1024
/** More than one resource may have waiting, in both directions. */
const MUCH = payload(7, 2 * MIB)
/** Of each gateway, which never have much waiting. */
const CLIENTS = 5
const ROUNDS = 3
/** Frames that one statement inserts. */
const BATCH = 100
const RETRY_MS = 20

interface Waiting {
  readonly from: string
  readonly to: string
  readonly index: number
  readonly body: Buffer
  readonly resolve: () => void
  readonly reject: (why: unknown) => void
}

/** Inserts the frames of all connections in batches: a function's promise settles when that of its frame is committed. */
class Inserting implements ResourceGroup {
  failedFrames = 0
  failedBytes = 0
  readonly #database: Database
  readonly #scope: Scope
  readonly #gateway: string
  readonly #triesAgain: boolean
  readonly #indexes = new Map<string, number>()
  readonly #waiting: Waiting[] = []
  #session: Session | null = null
  #isRunning = false
  #isOver = false

  constructor(database: Database, scope: Scope, gateway: string, triesAgain: boolean) {
    this.#database = database
    this.#scope = scope
    this.#gateway = gateway
    this.#triesAgain = triesAgain
    scope.defer(() => {
      this.#isOver = true
    })
  }

  getResource() {
    return {
      resource: {
        writeFunction: (framed: Uint8Array, context: WriteContext) => this.#write(framed, context),
      },
    }
  }

  close(): void {}

  #write(framed: Uint8Array, { fromTo }: WriteContext): Promise<void> {
    const { from, to, body } = decodeGogetwayFrame(framed)
    const index = this.#indexes.get(fromTo) ?? 0
    this.#indexes.set(fromTo, index + 1)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ from, to, index, body: Buffer.from(body), resolve, reject })
      if (!this.#isRunning) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    // What else comes now is in the same batch.
    await Promise.resolve()
    while (this.#waiting.length > 0 && !this.#isOver) {
      const batch = this.#waiting.splice(0, BATCH)
      try {
        await this.#insert(batch)
        for (const { resolve } of batch) resolve()
      } catch (why) {
        this.#session = null
        if (this.#triesAgain) this.#waiting.unshift(...batch)
        else this.#giveUp(batch, why)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    this.#isRunning = false
  }

  #giveUp(batch: readonly Waiting[], why: unknown): void {
    for (const { reject, body } of batch) {
      this.failedFrames++
      this.failedBytes += body.length
      reject(why)
    }
  }

  /** A batch whose answer was lost comes again. */
  async #insert(batch: readonly Waiting[]): Promise<void> {
    this.#session ??= await this.#database.session('public', this.#scope)
    await this.#session.query(
      `INSERT INTO said SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int[], $5::bytea[]) ON CONFLICT DO NOTHING`,
      [
        this.#gateway,
        batch.map(({ from }) => from),
        batch.map(({ to }) => to),
        batch.map(({ index }) => index),
        batch.map(({ body }) => body),
      ],
    )
  }
}

describeWith(
  POSTGRES_TOOLS,
  'write functions that feed a PostgreSQL which is stopped and started again',
  () => {
    const block = blockScope()
    let database: Database
    let server: Daemon
    beforeAll(async () => {
      ;({ database, server } = await startDatabase(block))
      await database.ask(
        'public',
        'CREATE TABLE said (gateway text, sender text, receiver text, index int, body bytea, PRIMARY KEY (gateway, sender, receiver, index))',
      )
    }, 90_000)

    const startOne = async (name: string, overload: 'block' | 'drop' | 'disconnect', triesAgain: boolean) => {
      const group = new Inserting(database, testScope(), name, triesAgain)
      const started = await start({
        // Functions are called on the main thread, whatever serves.
        top: () => ({ workers: 0 }),
        resourceGroup: group,
        resourceOptions: { overload, maxBufferedBytes: MIB },
      })
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => started.client()))
      const figures = () => {
        const { resources } = started.gateway.counters()
        if (resources === null) throw new Error('there are groups')
        return resources
      }
      return {
        ...started,
        group,
        clients,
        figures,
        /** All clients at once, each several times. */
        speak: async (): Promise<void> => {
          for (let round = 0; round < ROUNDS; round++)
            await Promise.all(clients.map((one, n) => one.say(payload(n * ROUNDS + round, 3000 + 100 * n))))
        },
        untilTaken: (): Promise<unknown> =>
          eventually('all to be taken', () => {
            const { seenBytes, storedBytes } = figures()
            return (
              seenBytes === 2 * clients.reduce((sum, { said }) => sum + said.length, 0) &&
              storedBytes === seenBytes
            )
          }),
        storedBytes: async (): Promise<number> =>
          Number(
            (
              await database.ask(
                'public',
                'SELECT coalesce(sum(length(body)), 0) AS n FROM said WHERE gateway = $1',
                [name],
              )
            )[0]?.n,
          ),
        /** What it said, and what it was answered, as the database has it. */
        expectStored: async ({ port, said }: Client): Promise<void> => {
          for (const end of ['sender', 'receiver']) {
            const [row] = await database.ask(
              'public',
              `SELECT string_agg(body, ''::bytea ORDER BY index) AS body FROM said WHERE gateway = $1 AND ${end} LIKE '%:' || $2::text`,
              [name, String(port)],
            )
            if (!Buffer.isBuffer(row?.body)) throw new Error(`nothing is there of ${end} ${port}`)
            expectSameBytes(row.body, said, `${end} ${port}`)
          }
        },
      }
    }

    it('what functions took is there in order, what failed is counted, and the traffic follows the policy', {
      retry: 0,
    }, async () => {
      const [slowed, dropping, cutting, failing] = await Promise.all([
        startOne('block', 'block', true),
        startOne('drop', 'drop', true),
        startOne('disconnect', 'disconnect', true),
        startOne('rejects', 'block', false),
      ])
      const trying = [slowed, dropping, cutting]
      const all = [...trying, failing]
      await Promise.all(all.map(({ speak }) => speak()))
      // Of what is given up nobody knows whether it is there; so nothing of it is under way when the server stops.
      await failing.untilTaken()

      // In the middle of their batches.
      await Promise.all([server.stop('SIGQUIT', 15_000), ...trying.map(({ speak }) => speak())])
      await Promise.all(all.map(({ speak }) => speak()))
      const [held, dropped, cut] = await Promise.all(trying.map(({ client }) => client()))
      if (!held || !dropped || !cut) throw new Error('there are three')
      for (const one of [held, dropped, cut]) one.send(MUCH)
      await dropped.echoed()
      await eventually('the one to be held', () => slowed.figures().holds > 0)
      await eventually('the other to be cut', () => cut.isClosed)
      expect(held.hasAll).toBe(false)
      // Those that have little waiting have no part in it.
      await Promise.all(trying.map(({ speak }) => speak()))
      await eventually('functions to fail', () => failing.figures().functionFailures > 0)

      server = await startCluster(block, database.cluster)
      await held.echoed()
      await Promise.all(all.map(({ speak }) => speak()))
      for (const { clients } of all) await Promise.all(clients.map((one) => one.end()))
      await Promise.all([held.end(), dropped.end()])
      await Promise.all(all.map(({ gateway }) => gateway.close()))

      for (const { figures, storedBytes, group } of all) {
        const { seenBytes, storedBytes: stored, lostBytes, functionFailures, bufferedBytes } = figures()
        expect({ accounted: stored + lostBytes, bufferedBytes, functionFailures }).toEqual({
          accounted: seenBytes,
          bufferedBytes: 0,
          functionFailures: group.failedFrames,
        })
        expect(await storedBytes()).toBe(stored - group.failedBytes)
      }
      expect(all.map(({ group }) => group.failedFrames > 0)).toEqual([false, false, false, true])
      expect([slowed, failing].map(({ figures }) => figures().lostBytes)).toEqual([0, 0])
      expect(dropping.figures().lostBytes).toBeGreaterThan(0)
      for (const { clients, expectStored } of trying) for (const one of clients) await expectStored(one)
      await slowed.expectStored(held)
      expect(all.map(({ gateway }) => gateway.counters().listeners.one?.closed)).toEqual([
        { client_fin: CLIENTS + 1 },
        { client_fin: CLIENTS + 1 },
        { client_fin: CLIENTS, error: 1 },
        { client_fin: CLIENTS },
      ])
      const fails = failing.lines.filter(({ message }) =>
        message.startsWith('a write of a resource group failed'),
      )
      expect(fails).toHaveLength(1)
    })
  },
)
