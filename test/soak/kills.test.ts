/**
 * Gateways that record into many files, killed in the middle of traffic: what the recording had acknowledged is there, in
 * files that can be read. `npm run soak -- --kills 50` does it at length.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRecording } from '../../src/recording.js'
import { seededRandom } from '../support/payload.js'
import { testScope, within } from '../support/scope.js'
import { LOOPBACK, startServer } from '../support/sockets.js'
import { tidegate } from '../support/tidegate.js'
import { startProgram } from './program.js'
import { Checked, startClients } from './streams.js'

const KILLS = Number(process.env.SOAK_KILLS ?? 3)
const SEED = Number(process.env.SOAK_SEED ?? 1)
/** Relayed before each kill, about; both directions together. */
const BYTES_PER_KILL = 20e6

const ENGINES = [
  { engine: 'linux', workers: 2 },
  { engine: 'portable', workers: 0 },
  { engine: 'linux', workers: 0 },
] as const

/** Files that follow one another as often as they may, so that many kills come while one is closed, begun or compressed. */
const STORES = [
  { rotate: { size: '1MiB' }, compress: 'gzip' },
  { rotate: { size: '256KiB' }, sync: 'always' },
  { rotate: { every: '1s', size: '4MiB' }, keep: { files: 1000 }, sync: 'interval' },
] as const

/** Throws at the first byte that is not what was sent, at a gap, and at a file that cannot be read. */
const readAll = async (folder: string): Promise<number> => {
  const checked = new Checked()
  const recording = await openRecording(folder)
  for await (const batch of recording.batches())
    for (const event of batch) {
      if (event.kind === 'data') checked.take(event)
      if (event.kind === 'gap' && !event.cut)
        throw new Error(`connection ${event.connection} lacks ${event.length} bytes: ${event.why}`)
    }
  expect(recording.damage).toBe(null)
  return checked.bytes
}

const verified = async (args: readonly string[]): Promise<void> => {
  const { code, stdout, stderr } = await tidegate(['verify', ...args], { timeoutMs: 120_000 })
  expect(code, `${stdout}${stderr}`).toBe(0)
}

it(
  `after ${KILLS} kills everything that was acknowledged can be read, and no file is damaged (seed ${SEED})`,
  async () => {
    const random = seededRandom(SEED)
    let total = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const ends = testScope()
      const folder = join(ends.tempDir(), 'traffic')
      const echo = await startServer(ends, (socket) => {
        socket.on('error', () => {}).pipe(socket)
      })
      const store = STORES[kill % STORES.length]
      const config = {
        ...ENGINES[Math.floor(kill / STORES.length) % ENGINES.length],
        listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
        record: { file: `${folder}/`, ...store },
      }
      const gateway = await startProgram(ends, config)
      const clients = startClients(gateway.port, SEED * 1_000_003 + kill * 10_000)
      const moment = BYTES_PER_KILL * (0.1 + 1.8 * random())
      await gateway.reached(moment)
      clients.stop()
      await gateway.kill('SIGKILL')
      const acknowledged = gateway.acknowledged()
      await within(30_000, 'the clients to notice', clients.stopped)
      await echo.close()

      // Half of them are repaired by hand, half by the next start.
      if (kill % 2 === 0) await verified(['--repair', folder])
      else {
        const next = await startProgram(ends, config)
        await next.kill('SIGTERM')
        expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
      }
      await verified([folder])
      const readable = await readAll(folder)
      expect(readable, `bytes that can be read, of ${acknowledged} acknowledged`).toBeGreaterThanOrEqual(
        acknowledged,
      )
      total += readable
    }
    process.stdout.write(`${KILLS} kills, ${(total / 1e9).toFixed(2)} GB acknowledged and read back\n`)
  },
  60_000 + KILLS * 30_000,
)
