/**
 * A gateway that records into PostgreSQL, which is stopped under load and started again: nothing is lost, nothing is there
 * twice, and the traffic goes on meanwhile. `npm run soak -- --away 60` does it for a minute and compares throughput.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRecording } from '../../src/recording.js'
import { runWell } from '../support/processes.js'
import { eventually, testScope, within } from '../support/scope.js'
import { makeCluster, POSTGRES_USER, startCluster } from '../support/servers/postgres.js'
import { LOOPBACK, startServer } from '../support/sockets.js'
import { tidegate } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { startProgram } from './program.js'
import { Checked, startClients } from './streams.js'

/** How long it is away. */
const AWAY_MS = 1000 * Number(process.env.SOAK_AWAY ?? 2)
/** Long enough to compare throughput, and then it is compared. */
const COMPARED_FROM_MS = 30_000
/** What clients send, and are sent back: half of what two busy cores store in a database, so that it can catch up. */
const BYTES_PER_MS = 5_000
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

      const throughput = async (ms: number): Promise<number> => {
        const before = gateway.acknowledged()
        const startedAt = performance.now()
        await new Promise((resolve) => setTimeout(resolve, ms))
        return (gateway.acknowledged() - before) / (performance.now() - startedAt)
      }
      const normal = await throughput(Math.min(AWAY_MS, 15_000))
      // At once, in the middle of whatever it is doing.
      await postgres.stop('SIGQUIT', 15_000)
      const meanwhile = await throughput(AWAY_MS)
      postgres = await startCluster(ends, cluster)
      await throughput(Math.min(AWAY_MS, 5000))
      clients.stop()
      await within(60_000, 'the clients to end', clients.stopped)
      await eventually(
        'everything to be in the database',
        async () => {
          await new Promise((resolve) => setTimeout(resolve, 500))
          return (await query(BYTES)) === String(gateway.acknowledged())
        },
        20_000 + 10 * AWAY_MS,
      ).catch(async (thrown: unknown) => {
        throw new Error(
          `${thrown}: ${await query(BYTES)} of ${gateway.acknowledged()} bytes; in the spool: ${readdirSync(spool)}`,
        )
      })
      await gateway.kill('SIGTERM')

      const { code, stdout, stderr } = await tidegate(['verify', url], { timeoutMs: 60_000 + 10 * AWAY_MS })
      expect(code, `${stdout}${stderr}`).toBe(0)
      expect(await query(TWICE)).toBe('0')
      const checked = new Checked()
      const recording = await openRecording(url)
      for await (const batch of recording.batches())
        for (const event of batch) {
          expect(event.kind).not.toBe('gap')
          if (event.kind === 'data') checked.take(event)
        }
      expect(checked.bytes).toBe(gateway.acknowledged())
      const ratio = meanwhile / normal
      process.stdout.write(
        `PostgreSQL away for ${AWAY_MS / 1000} s: ${(checked.bytes / 1e6).toFixed(0)} MB recorded, throughput meanwhile ${ratio.toFixed(2)} of normal\n`,
      )
      if (AWAY_MS >= COMPARED_FROM_MS) expect(ratio).toBeGreaterThanOrEqual(0.9)
    },
    180_000 + 20 * AWAY_MS,
  )
})

const BYTES = 'SELECT coalesce(sum(length(data)), 0) FROM tidegate.frames'
const TWICE = 'SELECT count(*) - count(DISTINCT (recording, connection, direction, at)) FROM tidegate.frames'
