/**
 * A gateway that records into PostgreSQL, which is stopped under load and started again: nothing is lost, nothing is there
 * twice, and the traffic goes on meanwhile. `npm run soak -- --away 60` does it for a minute, and compares throughput: that of
 * bursts, which go as fast as the gateway lets them, while PostgreSQL is away with that of bursts before it went and after it has caught up,
 * so that a machine that grows slower or faster meanwhile is in both. Beside them clients send at a steady pace.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRecording } from '../../src/recording.js'
import { residentBytes } from '../support/proc.js'
import { runWell } from '../support/processes.js'
import { eventually, testScope, within } from '../support/scope.js'
import { makeCluster, POSTGRES_USER, startCluster } from '../support/servers/postgres.js'
import { LOOPBACK, startServer } from '../support/sockets.js'
import { tidegate } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { startProgram } from './program.js'
import { Checked, pingPong, startClients } from './streams.js'

/** How long it is away. */
const AWAY_MS = 1000 * Number(process.env.SOAK_AWAY ?? 2)
/** Long enough to compare throughput and memory, and then they are compared. */
const COMPARED_FROM_MS = 30_000
/** Before and after: of each half as long. */
const NORMAL_MS = Math.min(AWAY_MS / 2, 30_000)
/** What clients send, and are sent back: with the bursts half of what two busy cores store in a database, so that it can catch up. */
const BYTES_PER_MS = 250
const BURST_EVERY_MS = 4_000
/** Hundreds of pieces, and still so few bytes that a database on the same two cores catches up. */
const BURST_MS = 300
const BURST_CLIENTS = 4
const PIECE_BYTES = 16 * 1024
/** Beyond what the process has at other times. A batch is 4 MiB; what waits on disk is a gigabyte. */
const MORE_MEMORY_BYTES = 96 * 1024 ** 2
const isCompared = AWAY_MS >= COMPARED_FROM_MS
const SEED = Number(process.env.SOAK_SEED ?? 1)

const needed = ['initdb', 'postgres', 'psql', ...(process.getuid?.() === 0 ? ['setpriv'] : [])]

describeWith(needed, 'a recording into PostgreSQL that is stopped under load', () => {
  it(
    `has everything once after ${AWAY_MS / 1000} s without it`,
    async () => {
      const ends = testScope()
      const cluster = await makeCluster(ends)
      let postgres = await startCluster(ends, cluster)
      const url = `postgres://${POSTGRES_USER}@${LOOPBACK}:${cluster.port}/postgres`
      const query = async (sql: string): Promise<string> =>
        (await runWell(toolPath('psql'), ['-qAt', '-d', url, '-c', sql])).stdout.toString().trim()
      await eventually('PostgreSQL to let somebody in', () => query('SELECT 1').catch(() => null))

      const echo = await startServer(ends, (socket) => {
        socket.on('error', () => {}).pipe(socket)
      })
      const spool = join(ends.tempDir(), 'spool')
      const config = {
        listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
        record: { to: url, spool: { dir: spool, size: '64GiB' } },
      }
      const gateway = await startProgram(ends, config)
      const clients = startClients(gateway.port, SEED * 1_000_003, BYTES_PER_MS)
      await eventually('the traffic to flow', () => gateway.acknowledged() > 1e6)

      let bursts = 0
      let burstBytes = 0
      const burst = async (): Promise<Sample> => {
        const startedAt = performance.now()
        const first = 4_000_000_000 + BURST_CLIENTS * bursts++
        const clients = Array.from({ length: BURST_CLIENTS }, (_, n) =>
          pingPong(gateway.port, first + n, PIECE_BYTES, BURST_MS),
        )
        const bytes = (await within(60_000, 'a burst to end', Promise.all(clients))).reduce((a, b) => a + b)
        burstBytes += bytes
        return { perMs: bytes / (performance.now() - startedAt), memory: residentBytes(gateway.pid) }
      }
      const sampled = async (ms: number): Promise<readonly Sample[]> => {
        const samples: Sample[] = []
        for (const until = performance.now() + ms; performance.now() < until; ) {
          samples.push(await burst())
          await new Promise((resolve) =>
            setTimeout(resolve, Math.max(0, Math.min(BURST_EVERY_MS, ms / 2) - BURST_MS)),
          )
        }
        return samples
      }
      const caughtUp = (isOver: boolean): Promise<unknown> =>
        eventually(
          'everything to be in the database',
          async () => {
            const before = gateway.acknowledged()
            await new Promise((resolve) => setTimeout(resolve, 500))
            // It lets nobody in until it has recovered.
            const stored = Number(await query(BYTES).catch(() => -1))
            return isOver ? stored === gateway.acknowledged() : stored >= before
          },
          20_000 + 10 * AWAY_MS,
        ).catch(async (thrown: unknown) => {
          throw new Error(
            `${thrown}: ${await query(BYTES)} of ${gateway.acknowledged()} bytes; in the spool: ${readdirSync(spool)}`,
          )
        })
      const before = await sampled(NORMAL_MS)
      // At once, in the middle of whatever it is doing.
      await postgres.stop('SIGQUIT', 15_000)
      const meanwhile = await sampled(AWAY_MS)
      postgres = await startCluster(ends, cluster)
      const startedAt = performance.now()
      await caughtUp(false)
      const catchingUpMs = performance.now() - startedAt
      const after = await sampled(NORMAL_MS)
      clients.stop()
      await within(60_000, 'the clients to end', clients.stopped)
      await caughtUp(true)
      await gateway.kill('SIGTERM')

      if (isCompared) await expectVerified(url)
      expect(await query(OVERLAPS)).toBe('0')
      const sentBytes = clients.progress.reduce((sum, { sent }) => sum + sent, 0)
      const said = 2 * (sentBytes + burstBytes)
      // Open, seen, stored, lost, and what is there.
      expect(await query(LEDGER)).toBe(`0|${said}|${said}|0|${said}`)
      const checked = new Checked()
      const recording = await openRecording(url)
      for await (const batch of recording.batches())
        for (const event of batch) {
          expect(event.kind).not.toBe('gap')
          if (event.kind === 'data') checked.take(event)
        }
      expect(checked.bytes).toBe(gateway.acknowledged())
      const normal = [...before, ...after]
      const ratio = rateOf(meanwhile) / rateOf(normal)
      const [usualMemory, memory] = [memoryOf(normal), memoryOf(meanwhile)]
      process.stdout.write(
        `PostgreSQL away for ${AWAY_MS / 1000} s: ${megabytes(checked.bytes)} MB recorded, caught up in ${(catchingUpMs / 1000).toFixed(1)} s; ` +
          `bursts ${megabytes(rateOf(meanwhile))} MB/s meanwhile, ${ratio.toFixed(2)} of normal (${megabytes(rateOf(before))} before, ${megabytes(rateOf(after))} after); ` +
          `memory at most ${megabytes(memory)} MB meanwhile, ${megabytes(usualMemory)} MB at other times\n`,
      )
      if (!isCompared) return
      // Less would be chance.
      expect(rateOf(normal)).toBeGreaterThan(100_000)
      expect(ratio).toBeGreaterThanOrEqual(0.9)
      expect(memory).toBeLessThan(usualMemory + MORE_MEMORY_BYTES)
    },
    180_000 + 20 * AWAY_MS,
  )
})

interface Sample {
  /** Bytes that came back, for each ms. */
  readonly perMs: number
  /** Of the gateway's process. */
  readonly memory: number
}

/** Bytes a second over all bursts. */
const rateOf = (samples: readonly Sample[]): number =>
  (1000 * samples.reduce((sum, { perMs }) => sum + perMs, 0)) / samples.length
const memoryOf = (samples: readonly Sample[]): number => Math.max(...samples.map(({ memory }) => memory))
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

/** Also by the command, which reads all of it once more. */
const expectVerified = async (url: string): Promise<void> => {
  const { code, stdout, stderr } = await tidegate(['verify', url], { timeoutMs: 60_000 + 10 * AWAY_MS })
  expect(code, `${stdout}${stderr}`).toBe(0)
}

const BYTES = 'SELECT coalesce(sum(length(data)), 0) FROM tidegate.frames'
/** Frames that say again what one before them has said. */
const OVERLAPS = `
SELECT count(*) FROM (
  SELECT at < lag(at + length(data)) OVER (PARTITION BY recording, connection, direction ORDER BY at) AS again FROM tidegate.frames
) AS frames WHERE again`
const LEDGER = `
SELECT count(*) FILTER (WHERE closed IS NULL), sum(upstream_seen + downstream_seen), sum(upstream_stored + downstream_stored),
  sum(upstream_lost + downstream_lost), (${BYTES}) FROM tidegate.connections`
