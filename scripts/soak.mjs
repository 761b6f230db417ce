// Soaks at length. Exits with 0 if all was as it should be.
//   npm run soak -- --gigabytes 20 --seed 1     random traffic through both engines and through a plain socket pair
//   npm run soak -- --pool --clients 1000000    clients of pools that are reused
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '20' },
    pool: { type: 'boolean', default: false },
    clients: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
  },
})
const [gigabytes, clients, seed] = [Number(values.gigabytes), Number(values.clients), Number(values.seed)]
if (!(gigabytes > 0) || !(Number.isSafeInteger(clients) && clients > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write(
    'soak: expected --gigabytes, a number above 0, --clients, a whole number above 0, and --seed, a whole number\n',
  )
  process.exit(2)
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const file = values.pool ? 'test/soak/pool.test.ts' : 'test/soak/soak.test.ts'
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', file, '--project', 'soak', '--disable-console-intercept'],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      SOAK_BYTES: String(gigabytes * 1e9),
      SOAK_POOL_CLIENTS: String(clients),
      SOAK_SEED: String(seed),
    },
  },
)
process.exit(status ?? 1)
