import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from '../support/processes.js'
import { testScope } from '../support/scope.js'
import { POSTGRES_USER, startPostgres } from '../support/servers/postgres.js'
import { startRedis } from '../support/servers/redis.js'
import { dial, exchange, LOOPBACK, lastingPort } from '../support/sockets.js'
import { listening, portIn, startTidegate, tidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'

const FOLDER = join(import.meta.dirname, '../../examples')

const runExample = (name: string, ...args: readonly string[]) =>
  run(process.execPath, [join(FOLDER, name), ...args], { timeoutMs: 15_000 })

/** What each example prints, which is what its comments promise. */
const PRINTS: Readonly<Record<string, string>> = {
  'embed.mjs': `listening on 127.0.0.1:(a free port)
answer: hello
open connections: 1
#1 ended: client_fin { upstream: 5, downstream: 5 }
relayed in all: { upstream: 5, downstream: 5 }
`,
  'per-tenant-group.mjs': `blue: upstream blue was here
blue: downstream blue was here
green: upstream green was here
green: downstream green was here
`,
  'pool-redis.mjs': `the last visit was number 100
one more: 101
a mistake: ERR unknown command
{ taken: 103, inUse: 0, waiting: 0, mostConnections: 3 }
`,
  'record-sink.mjs': `answer: HELLO
waiting in the spool: 0
#1 open
#1 data upstream hello
#1 data downstream HELLO
#1 fin upstream
#1 fin downstream
#1 close client_fin
`,
  'rewrite.mjs': `the service saw: my ****** word
the client sees ECONNRESET
ended: { denied: 1 }
`,
  'route-by-client.mjs': `client 1 reached blue
client 2 reached green
client 3 reached green
`,
  'swap-groups.mjs': `first is closed after 4 connections, 800 frames
second is closed after 4 connections, 80 frames
`,
  'wake-activator.mjs': `before the first client: closed
answer: hello
while it is connected: open
the service was stopped
after the last client: closed { starts: 1, failures: 0 }
`,
  'write-function-postgres.mjs': `one: 2 frames
three: 2 frames
two: 2 frames
failures: 0
`,
  'read-recording.mjs': `#1 guest-book
#1 > POST /notes HTTP/1.1
#1 < HTTP/1.1 201 Created
#1 client_fin
#2 guest-book
#2 > GET /notes HTTP/1.1
#2 < HTTP/1.1 200 OK
#2 client_fin
#3 guest-book
#3 > POST /notes HTTP/1.1
#3 client_reset
`,
}

it('every program in examples/ is run by a test', () => {
  const programs = readdirSync(FOLDER).filter((name) => name.endsWith('.mjs'))
  expect(programs.sort()).toEqual(Object.keys(PRINTS).sort())
})

/** They are told what to work on. */
const TOLD: readonly string[] = ['read-recording.mjs', 'write-function-postgres.mjs']

it.each(Object.keys(PRINTS).filter((name) => !TOLD.includes(name)))('%s does what it says', async (name) => {
  const { code, stdout, stderr } = await runExample(name)
  expect({ code, stderr, stdout: stdout.toString() }).toEqual({ code: 0, stderr: '', stdout: PRINTS[name] })
})

const REFUSED = 'postgres://u@127.0.0.1:1/x'

it.each<[string, readonly string[], RegExp]>([
  ['read-recording.mjs', [], /^FILE is missing; usage: node \S+ FILE\n$/],
  ['read-recording.mjs', ['/none'], /^cannot read '\/none': no such file .*; usage: node [^\n]+\n$/],
  ['read-recording.mjs', [import.meta.filename], /^'.*' is not a recording: .*; usage: node [^\n]+\n$/],
  [
    'write-function-postgres.mjs',
    [],
    /^the URL of a database is missing; usage: node \S+ postgres:[^\n]+\n$/,
  ],
  ['write-function-postgres.mjs', ['none'], /^the URL of a database is missing; usage: node [^\n]+\n$/],
  [
    'write-function-postgres.mjs',
    [REFUSED],
    /^the database cannot be used: .*ECONNREFUSED.*; usage: [^\n]+\n$/,
  ],
  ['pool-redis.mjs', ['none'], /^'none' is not an address: .*; usage: node [^\n]+\n$/],
  ['pool-redis.mjs', ['127.0.0.1:1'], /^cannot connect to 127\.0\.0\.1:1: .*; usage: node [^\n]+\n$/],
])('%s %j is one line and exit code 2', async (name, args, says) => {
  const { code, stdout, stderr } = await runExample(name, ...args)
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(says)
})

describeWith(
  ['initdb', 'postgres', ...(process.getuid?.() === 0 ? ['setpriv'] : [])],
  'write-function-postgres.mjs with a real PostgreSQL',
  () => {
    it('does what it says', async () => {
      const name = 'write-function-postgres.mjs'
      const port = await startPostgres(testScope())
      const url = `postgres://${POSTGRES_USER}@${LOOPBACK}:${port}/postgres`
      const { code, stdout, stderr } = await runExample(name, url)
      expect({ code, stderr, stdout: stdout.toString() }).toEqual({
        code: 0,
        stderr: '',
        stdout: PRINTS[name],
      })
    }, 90_000)
  },
)

describeWith(['redis-server'], 'pool-redis.mjs with a real Redis', () => {
  it('does the same as with its stand-in', async () => {
    const port = await startRedis(testScope())
    const { code, stdout, stderr } = await runExample('pool-redis.mjs', `127.0.0.1:${port}`)
    expect({ code, stderr, stdout: stdout.toString() }).toEqual({
      code: 0,
      stderr: '',
      stdout: PRINTS['pool-redis.mjs'],
    })
  })
})

describeWith(['redis-server', 'python3'], 'wake.yaml', () => {
  it('starts each of its services for the first client', async () => {
    const scope = testScope()
    const folder = scope.tempDir()
    const config = join(folder, 'wake.yaml')
    const ports = { 6379: 0, 8080: 0, 7000: 0, 6380: await lastingPort(), 8081: await lastingPort() }
    let text = readFileSync(join(FOLDER, 'wake.yaml'), 'utf8')
    for (const [port, other] of Object.entries(ports)) text = text.replaceAll(port, String(other))
    writeFileSync(config, text)
    const gateway = startTidegate(scope, ['serve', config])
    const addresses = await listening(gateway, 3)
    const ask = async (name: string, request: string): Promise<string> => {
      const socket = await dial(scope, portIn(addresses.get(name) ?? ''))
      return String(await exchange(socket, Buffer.from(request)))
    }
    expect(await ask('redis', 'PING\r\n')).toBe('+PONG\r\n')
    expect(await ask('site', `HEAD / HTTP/1.0\r\nHost: ${LOOPBACK}\r\n\r\n`)).toMatch(/^HTTP\/1.0 200 OK\r\n/)
    expect(await ask('greeter', 'Ada\n')).toBe('hello Ada\n')
    expect(await gateway.finish()).toBe(0)
  })
})

/** Closes follow when they are settled. And the service may or may not answer the client that crashes. */
const byConnection = (text: string): string =>
  text
    .split(/^/m)
    .filter((line) => !line.startsWith('#3 <'))
    .sort((left, right) => left.slice(0, 2).localeCompare(right.slice(0, 2)))
    .join('')

it('the demo tells its story, and read-recording.mjs reads what it recorded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-test-'))
  try {
    const file = join(folder, 'demo.pcapng')
    const demo = await tidegate(['demo', '--out', file])
    expect(demo.code).toBe(0)
    const story = demo.stdout.toString()
    for (const part of [
      '$ tidegate inspect',
      'client_reset',
      'GET /notes',
      'ok: 3 connections',
      `wireshark ${file}`,
    ])
      expect(story).toContain(part)
    expect(demo.stderr).toContain('guest-book')
    const { code, stdout } = await runExample('read-recording.mjs', file)
    expect(code).toBe(0)
    expect(byConnection(stdout.toString())).toBe(PRINTS['read-recording.mjs'])
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('the demo ends at once when its recording cannot be written', async () => {
  const { code, stderr } = await tidegate(['demo', '--out', '/nonexistent-folder/demo.pcapng'], {
    timeoutMs: 10_000,
  })
  expect(stderr).toMatch(/^tidegate: '\/nonexistent-folder\/demo.pcapng' cannot be written: [^\n]+\n$/)
  expect(code).toBe(1)
})
