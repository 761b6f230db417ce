import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkCommand } from '../../../src/cli/commands/check.js'
import { exitCodeOf, failureText } from '../../../src/cli/failure.js'

interface Run {
  readonly stdout: string
  /** What the program prints of the error that the command threw. */
  readonly stderr: string
  readonly exitCode: number
}

const run = async (...argv: string[]): Promise<Run> => {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const command = checkCommand({ stdin: new PassThrough(), stdout, stderr, setExitCode: () => {} })
  const thrown: unknown = await command.parseAsync(argv, { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error,
  )
  stdout.end()
  stderr.end(thrown === undefined ? '' : failureText(thrown))
  return {
    stdout: await text(stdout),
    stderr: await text(stderr),
    exitCode: thrown === undefined ? 0 : exitCodeOf(thrown),
  }
}

describe('tidegate check', () => {
  let folder: string
  let good: string
  let bad: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidegate-check-'))
    good = join(folder, 'good.yaml')
    bad = join(folder, 'bad.yaml')
    await writeFile(
      good,
      `listeners:
  - { name: cache, listen: '127.0.0.1:6380', upstream: redis, allow: [10.0.0.0/8], maxConnections: 5, overflow: refuse }
  - { listen: 'unix:in.sock', upstream: '[::1]:9', record: false, timeouts: { idle: 0 } }
upstreams: { redis: { endpoints: ['a:1', 'b:2'] } }
record: { file: traffic.pcapng, overload: drop }
drainTimeout: 5s
`,
    )
    await writeFile(bad, "listeners: [{ listen: ':1', upstrem: x }]\nlog: { level: loud }\n")
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  it('says which proxies bring clients', async () => {
    const proxied = join(folder, 'proxied.yaml')
    const listener = "listen: ':1', upstream: 'a:1', proxyFrom: [10.0.0.5, 10.1.0.0/16]"
    await writeFile(
      proxied,
      `listeners:
  - { name: all, ${listener}, proxyProtocol: require, deny: [10.6.6.6] }
  - { name: some, ${listener.replace(':1', ':2')}, proxyProtocol: accept }
`,
    )
    const { stdout } = await run(proxied)
    expect(stdout).toContain('  through proxies 10.0.0.5 10.1.0.0/16; not 10.6.6.6  ')
    expect(stdout).toContain('  also through proxies 10.0.0.5 10.1.0.0/16  ')
  })

  it('says how clients are spread, where that is not the default', async () => {
    const spread = join(folder, 'spread.yaml')
    await writeFile(
      spread,
      `listeners: [{ listen: ':1', upstream: plain }, { listen: ':2', upstream: special }, { listen: ':3', upstream: single }]
upstreams:
  plain: { endpoints: ['a:1', 'b:2'] }
  special: { endpoints: [{ address: 'a:1', weight: 3 }, 'b:2', { address: 'c:3', weight: 2, backup: true }], balance: least_conn }
  single: { endpoints: ['a:1'], balance: first }
`,
    )
    const { stdout } = await run(spread)
    expect(stdout).toContain('  plain (a:1, b:2)  ')
    expect(stdout).toContain('  special (a:1 weight 3, b:2, c:3 weight 2 backup; least_conn)  ')
    expect(stdout).toContain('  single (a:1)  ')
  })

  it('says what a good config would run', async () => {
    const { stdout, stderr, exitCode } = await run(good)
    const [header, cache, socket, , record] = stdout.split('\n')
    expect(header).toMatch(/^LISTENER +LISTENS ON +UPSTREAM +CLIENTS +TIMEOUTS +RECORDED$/)
    expect(cache?.split(/ {2,}/)).toEqual([
      'cache',
      '127.0.0.1:6380',
      'redis (a:1, b:2)',
      'only 10.0.0.0/8; at most 5, more refused',
      'connect 5s, idle 10m, half-close 30s',
      'yes',
    ])
    expect(socket?.split(/ {2,}/)).toEqual([
      `unix:${folder}/in.sock`,
      `unix:${folder}/in.sock`,
      '[::1]:9',
      'all',
      'connect 5s, idle none, half-close 30s',
      'no',
    ])
    expect(record).toBe(
      `Records to ${folder}/traffic.pcapng (buffer 16MiB; too slow: drop; failed: continue). When it closes, open connections have 5s to end. Engine: auto.`,
    )
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  })

  it('says what of a listener is recorded', async () => {
    const parts = join(folder, 'parts.yaml')
    await writeFile(
      parts,
      `listeners:
  - { name: a, listen: ':1', upstream: 'a:1', record: { sample: 0.1, maxBytes: 1KiB, redact: [x, y] } }
  - { name: b, listen: ':2', upstream: 'a:1', record: { enabled: false, maxBytes: 0, deny: [10.0.0.1] } }
  - { name: c, listen: ':3', upstream: 'a:1', record: { sample: 0.5, sampleBy: random, redact: [x] } }
record: { file: traffic.pcapng }
`,
    )
    const { stdout } = await run(parts)
    expect(
      stdout
        .split('\n')
        .slice(1, 4)
        .map((line) => line.split(/ {2,}/).at(-1)),
    ).toEqual([
      'yes; 0.1 of the clients; first 1KiB each way; masked: 2 patterns',
      'switched off; not 10.0.0.1; metadata only',
      'yes; 0.5 of them, at random; masked: a pattern',
    ])
  })

  it('prints all mistakes on stderr, one line each, and exits 2', async () => {
    expect(await run(bad)).toEqual({
      stdout: '',
      stderr: [
        `tidegate: ${bad}: listeners[0]: unknown key 'upstrem'; did you mean 'upstream'? (expected name, listen, upstream, allow, deny, proxyProtocol, proxyFrom, proxyTimeout, maxConnections, overflow, timeouts, noDelay, keepAlive, backlog, ipv6Only, bufferSize or record)`,
        `tidegate: ${bad}: listeners[0].upstream: missing; expected a name under upstreams, or an address (host:port, unix:/path)`,
        `tidegate: ${bad}: log.level: found 'loud'; expected debug, info, warn, error or silent`,
        '',
      ].join('\n'),
      exitCode: 2,
    })
  })

  it('with --json prints the config with every default filled in', async () => {
    const { stdout, exitCode } = await run(good, '--json')
    const { valid, config } = JSON.parse(stdout)
    expect({ valid, exitCode }).toEqual({ valid: true, exitCode: 0 })
    expect(config.listeners[0]).toMatchObject({
      listen: '127.0.0.1:6380',
      bufferBytes: 65_536,
      backlog: 4096,
    })
    const endpoint = (address: string) => ({ address, weight: 1, backup: false })
    expect(config.upstreams).toMatchObject({
      redis: { name: 'redis', endpoints: ['a:1', 'b:2'].map(endpoint), balance: 'round_robin', check: null },
      '[::1]:9': { name: '[::1]:9', endpoints: [endpoint('[::1]:9')], pool: { mode: 'off', reset: null } },
    })
    expect(config.drainTimeoutMs).toBe(5000)
  })

  it('with --json prints mistakes as data, and on stderr as well', async () => {
    const { stdout, stderr, exitCode } = await run(bad, '--json')
    const { valid, problems } = JSON.parse(stdout)
    expect(valid).toBe(false)
    expect(problems.map(({ path }: { path: string }) => path)).toEqual([
      'listeners[0]',
      'listeners[0].upstream',
      'log.level',
    ])
    expect(stderr.trim().split('\n')).toHaveLength(3)
    expect(exitCode).toBe(2)
  })

  it('exits 1 with one line when the file cannot be read', async () => {
    const path = join(folder, 'none.yaml')
    expect(await run(path, '--json')).toEqual({
      stdout: '',
      stderr: `tidegate: ${path}: there is no such file\n`,
      exitCode: 1,
    })
  })
})
