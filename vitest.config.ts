import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What serves in the tests that drive a gateway. */
interface Setting {
  readonly name: string
  readonly engine: string
  readonly workers: string
  /** What alone runs in it, where the others have told nearly all. */
  readonly only?: readonly string[]
  readonly leavesOut?: readonly string[]
}

/** Each is a project: `npx vitest run --project linux-2`. */
const SETTINGS: readonly Setting[] = [
  {
    name: 'linux-0',
    engine: 'linux',
    workers: '0',
    // The engine is that of linux-2, and who chooses and waits that of portable: here is what needs both as they are together.
    leavesOut: [
      'test/control/{groups,wake}/**/*.test.ts',
      'test/control/upstreams/gateway/{balance,crowd,fairness,health,killed,names,states}.test.ts',
      'test/integration/{bad-use,drain,environment,log,reload,status}.test.ts',
      'test/integration/{full-disk,kill,record-files,record-selected,tail,tail-filters}.test.ts',
      'test/integration/{pool-memcached,proxy-protocol,redis,send-proxy-protocol,ssh}.test.ts',
      'test/integration/wake-*.test.ts',
      'test/integration/alone/{budget-all,budget-cycles,budget-names,slow-routes}.test.ts',
    ],
  },
  {
    name: 'linux-2',
    engine: 'linux',
    workers: '2',
    // Starting workers costs more than what is tested here: what knows nothing of them runs without.
    leavesOut: [
      'test/control/proxy-protocol.test.ts',
      'test/integration/{bad-use,environment,log,status}.test.ts',
      'test/integration/{half-close,nginx,postgres,proxy-protocol,ssh,stalled,transfer}.test.ts',
      'test/integration/wake-{ends,failures,ncat,recording,reload,services}.test.ts',
    ],
  },
  // Files are written by the same thread whatever serves.
  {
    name: 'portable',
    engine: 'portable',
    workers: '0',
    leavesOut: ['test/control/groups/database.test.ts', 'test/integration/record-files.test.ts'],
  },
  // One worker is two workers without what they share, and like them does everything by message.
  {
    name: 'linux-1',
    engine: 'linux',
    workers: '1',
    only: ['test/integration/serve.test.ts', 'test/integration/alone/worker-failure.test.ts'],
  },
]

/** One's own in place of all of them: `TEST_ENGINE=linux TEST_WORKERS=8 npx vitest run`. */
const chosen = (): readonly Setting[] | null => {
  const { TEST_ENGINE, TEST_WORKERS = '0' } = process.env
  return TEST_ENGINE ? [{ name: 'chosen', engine: TEST_ENGINE, workers: TEST_WORKERS }] : null
}

/** They leave nothing behind in their process, so they share two: one for each file would cost half of what they take. */
const PURE = ['test/{config,core,fuzz,sources}/**/*.test.ts']
const IN_EVERY_SETTING = [
  'test/control/groups/**/*.test.ts',
  'test/integration/**/*.test.ts',
  'test/control/gateway.test.ts',
  'test/control/pool.test.ts',
  'test/control/proxy-protocol.test.ts',
  'test/control/upstreams/gateway/**/*.test.ts',
  'test/control/wake/**/*.test.ts',
]
/** They measure processor time and have deadlines of a second, so they run after the others, one at a time. */
const MEASURES = ['test/integration/alone/**/*.test.ts']
const ALONE = { fileParallelism: false, sequence: { groupOrder: 1 } }
/** Of the soaks those that measure how memory grows. `npm run soak` does them at length. */
const SOAK = 'test/soak/{pool,soak}.test.ts'

const projectsOf = ({ name, engine, workers, only, leavesOut = [] }: Setting) => {
  const env = { TEST_SETTING: name, TEST_ENGINE: engine, TEST_WORKERS: workers }
  const isAlone = (file: string): boolean => file.includes('/alone/')
  const here = only?.filter((file) => !isAlone(file)) ?? IN_EVERY_SETTING
  return [
    { extends: true as const, test: { name, env, include: here, exclude: [...MEASURES, ...leavesOut] } },
    {
      extends: true as const,
      test: {
        name: `${name}-alone`,
        env,
        include: only?.filter(isAlone) ?? MEASURES,
        exclude: [...leavesOut],
        ...ALONE,
      },
    },
  ]
}

const root = dirname(fileURLToPath(import.meta.url))
const src = resolve(root, 'src')
const lib = pathToFileURL(resolve(root, 'dist/lib'))

/** A thread is started from a file, by Node itself, which reads no TypeScript: tests of `src/` start those of the package. */
const threadsFromDist = {
  name: 'threads-from-dist',
  enforce: 'pre' as const,
  transform(code: string, id: string): string | null {
    if (!id.startsWith(src.replaceAll('\\', '/'))) return null
    return code.replace(/new URL\('\.\/([\w-]+\.js)', import\.meta\.url\)/g, (_, file) => {
      if (!existsSync(new URL(`${lib}/${file}`)))
        throw new Error(`${lib}/${file} is not there: run 'npm run build' first`)
      return `new URL('${lib}/${file}')`
    })
  },
}

export default defineConfig({
  plugins: [threadsFromDist],
  test: {
    // Two cores in CI: more workers would only make the timing of socket tests worse.
    maxWorkers: 2,
    testTimeout: 20_000,
    // Real servers, deadlines and a machine of which somebody else may take a second: one more try in CI. The report names who needed it.
    retry: process.env.CI ? 1 : 0,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: 'once', include: ['test/**/*.test.ts'], exclude: [...PURE, ...IN_EVERY_SETTING, SOAK] },
      },
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
      { extends: true, test: { name: 'soak', include: [SOAK], ...ALONE } },
      ...(chosen() ?? SETTINGS).flatMap(projectsOf),
    ],
  },
})
