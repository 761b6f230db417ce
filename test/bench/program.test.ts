/** The bench as it is run, bounded to seconds: with whoever of the peers is installed. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Results } from '../../bench/report/results.js'
import { run, runWell, startDaemon } from '../support/processes.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { describeWith, findTool } from '../support/tools.js'

const ROOT = join(import.meta.dirname, '../..')
const BENCH = join(ROOT, 'bench/.build/main.js')

beforeAll(async () => {
  await runWell(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(ROOT, 'bench/tsconfig.json'),
  ])
})

/** Everything that a bench starts inherits this variable, and is known by it. */
const MARK = 'BENCH_TEST_MARK'

const markedEnvironment = (scope: Scope) => {
  const directory = scope.tempDir()
  return { directory, env: { [MARK]: directory, TMPDIR: directory } }
}

const readProc = (path: string): string => {
  try {
    return readFileSync(`/proc/${path}`, 'latin1')
  } catch {
    return ''
  }
}

/** The commands of all processes that carry the mark. */
const commandsMarked = (mark: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readProc(`${pid}/environ`).split('\0').includes(`${MARK}=${mark}`))
    .map((pid) => readProc(`${pid}/cmdline`).replaceAll('\0', ' '))

const leftBehind = (directory: string) => ({
  processes: commandsMarked(directory),
  files: readdirSync(directory),
})

const NOTHING = { processes: [], files: [] }

describeWith(['iperf3', 'wrk', 'nginx'], 'npm run bench', () => {
  it('measures, prints a table, writes its JSON, and leaves nothing behind', async () => {
    const scope = testScope()
    const { directory, env } = markedEnvironment(scope)
    const out = join(scope.tempDir(), 'results.json')
    const { code, stdout, stderr } = await run(
      process.execPath,
      [
        ...[BENCH, '--quick', '--contenders', 'linux,haproxy', '--out', out],
        ...['--only', 'bulk,keep-alive,latency,idle,record-requests'],
      ],
      { env, timeoutMs: 100_000 },
    )
    const table = stdout.toString()
    expect({ code, stderr, ...leftBehind(directory) }, table).toEqual({ code: 0, stderr: '', ...NOTHING })

    const results = JSON.parse(readFileSync(out, 'utf8')) as Results
    const hasHaproxy = findTool('haproxy') !== undefined
    const peers = hasHaproxy ? ['haproxy'] : []
    expect(results.contenders.map(({ id }) => id)).toEqual(['linux', ...peers])
    expect(results.leftOut.map(({ name }) => name)).toEqual(hasHaproxy ? [] : ['HAProxy'])
    expect(results.failures).toEqual([])
    expect(results.figures.map(({ id, results }) => [id, ...results.map(({ entrant }) => entrant)])).toEqual([
      ['bulk', 'linux', ...peers],
      ['keep-alive', 'linux', ...peers],
      ['latency', 'direct', 'linux', ...peers],
      ['idle', 'linux', ...peers],
      ['record-requests', 'linux', 'linux+record'],
    ])
    for (const { id, metrics, results: measured } of results.figures)
      for (const { entrant, baseline, rounds, median, ratio } of measured) {
        const what = `${id} ${entrant}`
        expect(rounds, what).toHaveLength(1)
        expect(Object.keys(median).toSorted(), what).toEqual(metrics.map((metric) => metric.id).toSorted())
        expect(rounds[0], what).toEqual(median)
        if (entrant === baseline) for (const value of Object.values(ratio)) expect(value, what).toBe(1)
        expect(table, what).toContain(results.figures.find((figure) => figure.id === id)!.title)
      }
    const keepAlive = results.figures[1]!.results[0]!.median
    expect(keepAlive.cpuPerRequest).toBeGreaterThan(0)
    expect(keepAlive.p99).toBeGreaterThanOrEqual(keepAlive.p50!)
    expect(results.machine).toMatchObject({ node: process.versions.node })
  }, 120_000)

  it('compares what is in recordings with what was relayed', async () => {
    const scope = testScope()
    const { directory, env } = markedEnvironment(scope)
    const out = join(scope.tempDir(), 'results.json')
    const { code, stdout, stderr } = await run(
      process.execPath,
      [BENCH, '--quick', '--contenders', 'linux,tcpdump', '--only', 'record-flow', '--out', out],
      { env, timeoutMs: 60_000 },
    )
    const table = stdout.toString()
    expect({ code, stderr, ...leftBehind(directory) }, table).toEqual({ code: 0, stderr: '', ...NOTHING })

    const { figures, leftOut } = JSON.parse(readFileSync(out, 'utf8')) as Results
    const [linux, tcpdump] = figures[0]!.results.map(({ median }) => median)
    expect(linux!.recorded).toBeGreaterThan(0)
    // What is written a second and a half later, where others have the cores, is not waited for.
    expect(linux!.missing).toBeLessThan(1)
    if (tcpdump === undefined) expect(leftOut.map(({ why }) => why).join()).toContain('tcpdump')
    else if (tcpdump.dropped === 0) expect(tcpdump.missing).toBeLessThan(0.1)
    else expect(tcpdump.missing).toBeGreaterThan(0)
  }, 70_000)

  it.each([
    ['once', 1],
    ['twice, the second time without waiting', 2],
  ])(
    'ends everything it has started when it is interrupted %s',
    async (_, times) => {
      const scope = testScope()
      const { directory, env } = markedEnvironment(scope)
      const args = [BENCH, '--only', 'keep-alive', '--contenders', 'linux', '--quick', '--seconds', '60']
      const bench = startDaemon(scope, process.execPath, args, { env: { ...process.env, ...env } })
      await eventually(
        'the load to be on',
        () => commandsMarked(directory).some((command) => command.includes('wrk')) || !bench.isRunning(),
        30_000,
      )
      for (let n = 0; n < times; n++) bench.child.kill('SIGINT')
      const { code } = await within(15_000, 'the bench to end', bench.exited)
      expect(code, bench.output()).toBe(130)
      // What was killed takes a moment to be gone.
      await eventually('all of it to be gone', () => commandsMarked(directory).length === 0)
      expect(readdirSync(directory)).toEqual([])
    },
    60_000,
  )

  it('reports an earlier run again without measuring, and refuses what is no such report', async () => {
    const published = join(ROOT, 'bench/results/published.json')
    const { stdout } = await runWell(process.execPath, [BENCH, '--from', published])
    expect(stdout.toString()).toContain('HAProxy')
    const wrong = await run(process.execPath, [BENCH, '--from', join(ROOT, 'package.json')])
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/^bench: .+ is not .+\n$/) })
  })

  it('says what it can do', async () => {
    const { stdout } = await runWell(process.execPath, [BENCH, '--help'])
    for (const word of ['--rounds', 'new-connections', 'haproxy', '--publish', 'Exit codes'])
      expect(stdout.toString()).toContain(word)
    const wrong = await run(process.execPath, [BENCH, '--rounds', 'many'])
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/^bench: [^\n]+\n$/) })
  })
})

/** Why no network namespace with a TUN device can be had here, found out by other means than the bench's; empty if it can. */
const obstacleToFarNetwork = async (): Promise<string> => {
  const tools = ['unshare', 'nsenter', 'ip'].map((name) => findTool(name))
  const [unshare, , ip] = tools
  if (unshare === undefined || ip === undefined || tools.includes(undefined))
    return 'unshare, nsenter or ip is not installed'
  const { code, stderr } = await run(unshare, ['--net', ip, 'tuntap', 'add', 'mode', 'tun', 'name', 'far'])
  return code === 0 ? '' : stderr.trim()
}

const FIRST_BYTE = [BENCH, '--quick', '--only', 'first-byte'] as const

describe.skipIf(process.platform !== 'linux')('npm run bench, the first byte from far away', () => {
  it('comes a round trip sooner through a pool', async ({ skip }) => {
    const why = await obstacleToFarNetwork()
    if (why !== '') {
      // In CI, too: whether this is allowed is up to whoever runs the container.
      process.stderr.write(`SKIPPED the first byte from far away: ${why}\n`)
      skip(why)
    }
    const scope = testScope()
    const { directory, env } = markedEnvironment(scope)
    const out = join(scope.tempDir(), 'results.json')
    const { code, stdout, stderr } = await run(
      process.execPath,
      [...FIRST_BYTE, '--rounds', '2', '--contenders', 'linux', '--out', out],
      { env, timeoutMs: 100_000 },
    )
    const table = stdout.toString()
    expect({ code, stderr, ...leftBehind(directory) }, table).toEqual({ code: 0, stderr: '', ...NOTHING })

    const [figure] = (JSON.parse(readFileSync(out, 'utf8')) as Results).figures
    // The best of the rounds' medians: a busy machine adds to a round, and takes nothing away.
    const roundTripsOf = (id: string): number =>
      Math.min(
        ...figure!.results.find(({ entrant }) => entrant === id)!.rounds.map((round) => round.roundTrips!),
      )
    expect(roundTripsOf('direct'), 'the handshake takes the delay, too').toBeGreaterThanOrEqual(2)
    expect(roundTripsOf('linux'), table).toBeGreaterThanOrEqual(2)
    for (const pool of ['prewarm', 'reuse']) {
      const pooled = roundTripsOf(`linux+${pool}`)
      expect(pooled, table).toBeGreaterThanOrEqual(1)
      // Round trips come whole, so what is saved is one or none; the rest is the work of a machine that may be busy.
      expect(roundTripsOf('linux') - pooled, `${pool}\n${table}`).toBeGreaterThan(0.5)
    }
  }, 120_000)

  it('leaves no network behind when it is interrupted', async ({ skip }) => {
    const why = await obstacleToFarNetwork()
    if (why !== '') skip(why)
    const scope = testScope()
    const { directory, env } = markedEnvironment(scope)
    const bench = startDaemon(
      scope,
      process.execPath,
      [...FIRST_BYTE, '--contenders', 'linux', '--seconds', '60'],
      { env: { ...process.env, ...env } },
    )
    await eventually(
      'the load to be on',
      () =>
        commandsMarked(directory).some((command) => command.includes('first-byte.js')) || !bench.isRunning(),
      30_000,
    )
    expect(commandsMarked(directory).join('\n')).toContain('delay-line.js')
    bench.child.kill('SIGINT')
    const { code } = await within(15_000, 'the bench to end', bench.exited)
    expect(code, bench.output()).toBe(130)
    // A namespace without a name lives as long as its processes.
    await eventually('all of it to be gone', () => commandsMarked(directory).length === 0)
    expect(readdirSync(directory)).toEqual([])
  }, 60_000)

  it('is left out, by name and with the reason, where no network can be made', async () => {
    const scope = testScope()
    const out = join(scope.tempDir(), 'results.json')
    const withoutRights =
      process.getuid?.() === 0
        ? ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--']
        : ['env']
    const [command = '', ...args] = [...withoutRights, process.execPath, ...FIRST_BYTE]
    const { code, stdout } = await run(command, [...args, '--contenders', 'linux', '--out', out])
    expect(code).toBe(1)
    expect(stdout.toString()).toMatch(
      /^left out: First byte, service 10 ms away: (no network namespace with a delayed path|not installed): .+$/m,
    )
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ figures: [], failures: [] })
  })
})
