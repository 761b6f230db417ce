// Soaks at length. Exits with 0 if all was as it should be.
//   npm run soak -- --gigabytes 20 --seed 1     random traffic through both engines and through a plain socket pair
//   npm run soak -- --pool --clients 1000000    pools that are reused: so many clients that get a connection another one has left,
//                                               of each of three services, which take turns on the processors
//   npm run soak -- --away 60                   a recording into PostgreSQL, which is stopped for so many seconds
//   npm run soak -- --kills 50                  gateways that record into many files, killed in the middle of traffic
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '20' },
    pool: { type: 'boolean', default: false },
    clients: { type: 'string', default: '1000000' },
    kills: { type: 'string', default: '0' },
    away: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
})
const [gigabytes, clients, kills, away, seed] = [
  values.gigabytes,
  values.clients,
  values.kills,
  values.away,
  values.seed,
].map(Number)
if (
  !(gigabytes > 0) ||
  !(Number.isSafeInteger(clients) && clients > 0) ||
  !(Number.isSafeInteger(kills) && kills >= 0) ||
  !(away >= 0) ||
  !Number.isSafeInteger(seed)
) {
  process.stderr.write(
    'soak: expected --gigabytes, a number above 0, --clients, a whole number above 0, --kills, a whole number, --away, seconds, and --seed, a whole number\n',
  )
  process.exit(2)
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const directory = mkdtempSync(join(tmpdir(), 'tidegate-soak-'))
const table = join(directory, 'table')

/** Resolves with the exit code of a run of the tests of this name. */
const soak = async (file, name) => {
  const child = spawn(process.execPath, [vitest, 'run', file, '--disable-console-intercept', '-t', name], {
    stdio: 'inherit',
    env: {
      ...process.env,
      SOAK_BYTES: String(gigabytes * 1e9),
      SOAK_POOL_REUSES: String(clients),
      SOAK_KILLS: String(kills),
      SOAK_AWAY: String(away),
      SOAK_SEED: String(seed),
      SOAK_TABLE: table,
      // What happens once in a million must not be tried again.
      CI: '',
    },
  })
  const [code] = await once(child, 'exit')
  return code ?? 1
}

const startedAt = Date.now()
const ofRecording = away > 0 ? 'test/soak/database.test.ts' : 'test/soak/soak.test.ts'
const ofTraffic = kills > 0 ? 'test/soak/kills.test.ts' : ofRecording
const codes = values.pool
  ? await Promise.all(
      ['with a reset', 'of a stateless service', 'of connections to Redis'].map((name) =>
        soak('test/soak/pool.test.ts', name),
      ),
    )
  : [await soak(ofTraffic, '')]

const rows = existsSync(table)
  ? readFileSync(table, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  : []
rmSync(directory, { recursive: true })
if (rows.length > 0) {
  const said = new Table({ head: Object.keys(rows[0]), style: { head: [], border: [] } })
  said.push(...rows.map((row) => Object.values(row).map((value) => value.toLocaleString('en'))))
  process.stdout.write(`${said.toString()}\n`)
}
const isWell = codes.every((code) => code === 0)
process.stdout.write(
  `${isWell ? 'all as it should be' : 'FAILED'}, after ${Math.round((Date.now() - startedAt) / 1000)} s\n`,
)
process.exit(isWell ? 0 : 1)
