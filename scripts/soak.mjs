// The differential soak at length: `npm run soak -- --gigabytes 20 --seed 1`. Exits with 0 if all was as it should be.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { gigabytes: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
})
const [gigabytes, seed] = [Number(values.gigabytes), Number(values.seed)]
if (!(gigabytes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('soak: expected --gigabytes, a number above 0, and --seed, a whole number\n')
  process.exit(2)
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--project', 'soak', '--disable-console-intercept'],
  { stdio: 'inherit', env: { ...process.env, SOAK_BYTES: String(gigabytes * 1e9), SOAK_SEED: String(seed) } },
)
process.exit(status ?? 1)
