/**
 * Gateways that record into many files, killed in the middle of traffic: what the recording had acknowledged is there, in
 * files that can be read. `npm run soak -- --kills 50` does it at length.
 */

import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRecording } from '../../src/recording.js'
import { PARTIAL_ENDING } from '../../src/sinks/files/compress.js'
import { seededRandom } from '../support/payload.js'
import { testScope, within } from '../support/scope.js'
import { LOOPBACK, startServer } from '../support/sockets.js'
import { tidegate } from '../support/tidegate.js'
import { startProgram } from './program.js'
import { Checked, startClients } from './streams.js'

const KILLS = Number(process.env.SOAK_KILLS ?? 3)
const SEED = Number(process.env.SOAK_SEED ?? 1)
const AT_LENGTH = 50
/** Relayed before each kill, about; both directions together. */
const BYTES_PER_KILL = KILLS < AT_LENGTH ? 8e6 : 26e6
/** What at least is acknowledged and read back in a run at length. */
const LEAST_BYTES = 1e9
/** Rounds that go on in one folder, each with another way of storing. */
const ROUNDS_PER_FOLDER = 3

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

/** Throws at the first byte that is not what was sent, at a gap, and at a file that cannot be read, or is none. */
const readAll = async (folder: string): Promise<Checked> => {
  const checked = new Checked()
  const recording = await openRecording(folder)
  for await (const batch of recording.batches())
    for (const event of batch) {
      if (event.kind === 'data') checked.take(event)
      if (event.kind === 'gap' && !event.cut)
        throw new Error(`connection ${event.connection} lacks ${event.length} bytes: ${event.why}`)
    }
  expect(recording.damage).toBe(null)
  // One that was killed between a file's creation and its first write leaves it empty: nothing of it was acknowledged.
  const isEmpty = (name: string): boolean =>
    !name.endsWith(PARTIAL_ENDING) && statSync(join(folder, name)).size === 0
  expect(recording.skipped).toBe(readdirSync(folder).filter(isEmpty).length)
  return checked
}

const verified = async (args: readonly string[]): Promise<void> => {
  const { code, stdout, stderr } = await tidegate(['verify', ...args], { timeoutMs: 120_000 })
  expect(code, `${stdout}${stderr}`).toBe(0)
}

it(`after ${KILLS} kills everything that was acknowledged can be read, and no file is damaged (seed ${SEED})`, {
  retry: 0,
  timeout: 60_000 + KILLS * 30_000,
}, async () => {
  const random = seededRandom(SEED)
  let total = 0
  let folder = ''
  /** Of the folder: acknowledged, of all its rounds, and how far each stream had come when all was acknowledged. */
  let acknowledged = 0
  const settled = new Map<string, number>()
  for (let kill = 0; kill < KILLS; kill++) {
    const ends = testScope()
    const round = kill % ROUNDS_PER_FOLDER
    if (round === 0) {
      folder = join(ends.tempDir(), 'traffic')
      acknowledged = 0
      settled.clear()
    }
    const echo = await startServer(ends, (socket) => {
      socket.on('error', () => {}).pipe(socket)
    })
    // Engines change slower than stores, so that each has all of them.
    const store = STORES[kill % STORES.length]
    const config = {
      ...ENGINES[Math.floor(kill / STORES.length) % ENGINES.length],
      listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
      record: { file: `${folder}/`, ...store },
    }
    const gateway = await startProgram(ends, config)
    const clients = startClients(gateway.port, SEED * 1_000_003 + kill * 10_000)
    const moment = BYTES_PER_KILL * (0.1 + 1.8 * random())
    // On the way there all is quiet once: then it is known of each stream what of it is acknowledged.
    await gateway.reached(moment * random())
    await clients.pause()
    await gateway.settled(clients.progress.reduce((sum, { sent, back }) => sum + sent + back, 0))
    for (const { seed, sent, back } of clients.progress) {
      settled.set(`upstream ${seed}`, sent)
      settled.set(`downstream ${seed}`, back)
    }
    clients.resume()
    await gateway.reached(moment)
    clients.stop()
    await gateway.kill('SIGKILL')
    acknowledged += gateway.acknowledged()
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
    expect(readable.bytes, `bytes that can be read, of ${acknowledged} acknowledged`).toBeGreaterThanOrEqual(
      acknowledged,
    )
    const found = readable.ends()
    const missing = [...settled].filter(([stream, end]) => (found.get(stream) ?? 0) < end)
    expect(missing, 'streams that lack what was acknowledged of them').toEqual([])
    if (round === ROUNDS_PER_FOLDER - 1 || kill === KILLS - 1) {
      total += readable.bytes
      rmSync(folder, { recursive: true })
    }
  }
  if (KILLS >= AT_LENGTH) expect(total).toBeGreaterThanOrEqual(LEAST_BYTES)
  process.stdout.write(`${KILLS} kills, ${(total / 1e9).toFixed(2)} GB acknowledged and read back\n`)
})
