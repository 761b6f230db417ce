import { describe, expect, it } from 'vitest'
import { type ParseOptions, parseConfig } from '../../src/config/parse.js'
import { ConfigError, type ConfigProblem } from '../../src/config/problems.js'
import { formatAddress } from '../../src/core/address.js'

const listener = { listen: '127.0.0.1:6380', upstream: '127.0.0.1:6379' }

const problemsOf = (input: unknown, options?: ParseOptions): readonly ConfigProblem[] => {
  try {
    parseConfig(input, 'config', options)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

/** `path: message` of each problem. */
const linesOf = (input: unknown, options?: ParseOptions): readonly string[] =>
  problemsOf(input, options).map(({ path, message }) => `${path}: ${message}`)

const isDeepFrozen = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (Object.isFrozen(value) && Object.values(value).every(isDeepFrozen))

describe('a config that says the least', () => {
  const config = parseConfig({ listeners: [listener] })

  it('gets every default', () => {
    expect(config).toEqual({
      listeners: [
        {
          name: '127.0.0.1:6380',
          listen: { kind: 'tcp', host: '127.0.0.1', port: 6380 },
          upstream: '127.0.0.1:6379',
          allow: [],
          deny: [],
          proxyProtocol: 'off',
          proxyFrom: [],
          proxyTimeoutMs: 3000,
          maxConnections: 0,
          overflow: 'wait',
          timeouts: { connectMs: 5000, idleMs: 600_000, halfCloseMs: 30_000 },
          noDelay: true,
          keepAliveMs: 0,
          backlog: 4096,
          ipv6Only: false,
          bufferBytes: 65_536,
          record: null,
          handedOver: null,
        },
      ],
      timeouts: { connectMs: 5000, idleMs: 600_000, halfCloseMs: 30_000 },
      upstreams: {
        '127.0.0.1:6379': {
          name: '127.0.0.1:6379',
          endpoints: [{ address: { kind: 'tcp', host: '127.0.0.1', port: 6379 }, weight: 1, backup: false }],
          balance: 'round_robin',
          maxConnections: 0,
          queueTimeoutMs: 10_000,
          maxQueue: 1000,
          resolveIntervalMs: 30_000,
          passiveHealth: { failures: 1, backoffMs: 1000, maxBackoffMs: 60_000 },
          check: null,
          onDown: 'keep',
          pool: {
            mode: 'off',
            min: 0,
            max: 16,
            idleTimeoutMs: 60_000,
            maxAgeMs: 3_600_000,
            maxUses: 0,
            reset: null,
            stateless: false,
            quietMs: 50,
          },
          sendProxyProtocol: null,
          wake: null,
        },
      },
      record: null,
      log: { level: 'info', format: 'auto' },
      engine: 'auto',
      workers: 0,
      drainTimeoutMs: 30_000,
    })
  })

  it('is frozen through and through', () => {
    expect(isDeepFrozen(config)).toBe(true)
  })

  it('leaves the input as it was', () => {
    const input = {
      listeners: [{ ...listener, allow: ['10.0.0.0/8'] }],
      upstreams: { a: { endpoints: [':1'] } },
    }
    const before = structuredClone(input)
    parseConfig(input)
    expect(input).toEqual(before)
    expect(Object.isFrozen(input.listeners[0]?.allow)).toBe(false)
  })
})

describe('what a config means', () => {
  it('timeouts of a listener override the top-level ones, which override the defaults, one by one', () => {
    const { listeners } = parseConfig({
      listeners: [
        { ...listener, timeouts: { idle: '1h' } },
        { ...listener, listen: ':2' },
      ],
      timeouts: { connect: '1s', idle: 0 },
    })
    expect(listeners.map(({ timeouts }) => timeouts)).toEqual([
      { connectMs: 1000, idleMs: 3_600_000, halfCloseMs: 30_000 },
      { connectMs: 1000, idleMs: 0, halfCloseMs: 30_000 },
    ])
  })

  it('a program may give milliseconds and bytes as numbers', () => {
    const config = parseConfig({
      listeners: [{ ...listener, keepAlive: 1500, bufferSize: 4096 }],
      drainTimeout: 250,
    })
    expect(config.listeners[0]).toMatchObject({ keepAliveMs: 1500, bufferBytes: 4096 })
    expect(config.drainTimeoutMs).toBe(250)
  })

  it('in a config text a duration or size without its unit is a mistake, but for 0', () => {
    const input = {
      listeners: [{ ...listener, bufferSize: 65536, timeouts: { idle: 30, connect: 0 } }],
      drainTimeout: '0',
    }
    expect(linesOf(input, { form: 'text' })).toEqual([
      "listeners[0].bufferSize: '65536' has no unit; expected e.g. 4096B, 64KiB, 256MiB, 1GiB",
      "listeners[0].timeouts.idle: '30' has no unit; expected e.g. 500ms, 30s, 5m, 1h",
    ])
  })

  it('named upstreams keep the order of their endpoints, and an address alone is one endpoint', () => {
    const { upstreams } = parseConfig({
      listeners: [{ ...listener, upstream: 'redis' }],
      upstreams: { redis: { endpoints: ['b:1', 'a:1'] }, spare: 'unix:/run/spare.sock' },
    })
    expect(upstreams.redis?.endpoints.map(({ address }) => formatAddress(address))).toEqual(['b:1', 'a:1'])
    expect(upstreams.spare).toEqual({
      ...upstreams.redis,
      name: 'spare',
      endpoints: [{ address: { kind: 'unix', path: '/run/spare.sock' }, weight: 1, backup: false }],
    })
  })

  it('listeners that name the same address share one upstream', () => {
    const { listeners, upstreams } = parseConfig({
      listeners: [listener, { listen: ':1', upstream: '127.0.0.1:06379' }],
    })
    expect(Object.keys(upstreams)).toEqual(['127.0.0.1:6379'])
    expect(listeners.map(({ upstream }) => upstream)).toEqual(['127.0.0.1:6379', '127.0.0.1:6379'])
  })

  it('upstreams has no prototype, so that no name is there by accident', () => {
    const { upstreams } = parseConfig({ listeners: [listener] })
    expect(upstreams.constructor).toBeUndefined()
    expect(linesOf({ listeners: [{ ...listener, upstream: 'constructor' }] })).toHaveLength(1)
  })

  it('what a listener says of its recording comes before what the record section says', () => {
    const { listeners } = parseConfig({
      listeners: [
        listener,
        { ...listener, listen: ':2', record: true },
        {
          ...listener,
          listen: ':3',
          record: { enabled: false, sample: 1, maxBytes: 0, redact: [{ pattern: 'y', ignoreCase: true }] },
        },
      ],
      record: {
        file: 'a',
        sample: 0.5,
        sampleBy: 'random',
        maxBytes: '1KiB',
        allow: ['10.0.0.1'],
        redact: ['x'],
      },
    })
    const general = {
      enabled: true,
      sample: 0.5,
      sampleBy: 'random',
      allow: ['10.0.0.1'],
      deny: [],
      maxBytes: 1024,
      redact: [{ pattern: 'x', after: null, ignoreCase: false }],
    }
    const redact = [{ pattern: 'y', after: null, ignoreCase: true }]
    expect(listeners.map(({ record }) => record)).toEqual([
      general,
      general,
      { ...general, enabled: false, sample: 1, maxBytes: 0, redact },
    ])
  })

  it('every listener is recorded if there is a record section, unless it says otherwise', () => {
    const { listeners, record } = parseConfig({
      listeners: [listener, { ...listener, listen: ':2', record: false }],
      record: { file: 'traffic.pcapng' },
    })
    expect(listeners.map((each) => each.record)).toMatchObject([{ enabled: true, sample: 1 }, null])
    expect(record).toEqual({
      place: { kind: 'file', path: 'traffic.pcapng' },
      minFreeBytes: 0,
      sync: 'never',
      syncIntervalMs: 1000,
      overload: 'block',
      onFailure: 'continue',
      bufferBytes: 16_777_216,
    })
  })

  it('relative paths start in the folder given, absolute ones do not', () => {
    const input = {
      listeners: [
        { listen: 'unix:in.sock', upstream: 'unix:./out.sock' },
        { listen: 'unix:/run/in.sock', upstream: 'u' },
      ],
      upstreams: { u: 'unix:../u.sock' },
      record: { file: 'logs/traffic.pcapng' },
    }
    const placed = parseConfig(input, 'config', { folder: '/etc/tidegate' })
    expect(placed.listeners.map(({ listen, upstream }) => [listen, upstream])).toEqual([
      [{ kind: 'unix', path: '/etc/tidegate/in.sock' }, 'unix:/etc/tidegate/out.sock'],
      [{ kind: 'unix', path: '/run/in.sock' }, 'u'],
    ])
    expect(placed.upstreams.u?.endpoints[0].address).toEqual({ kind: 'unix', path: '/etc/u.sock' })
    expect(placed.record?.place).toEqual({ kind: 'file', path: '/etc/tidegate/logs/traffic.pcapng' })
    expect(parseConfig(input).record?.place).toEqual({ kind: 'file', path: 'logs/traffic.pcapng' })
  })

  it('a unix path that is too long only with its folder is a problem of its own', () => {
    const input = { listeners: [{ ...listener, listen: `unix:${'s'.repeat(60)}` }] }
    expect(linesOf(input)).toEqual([])
    expect(linesOf(input, { folder: `/${'f'.repeat(60)}` })[0]).toContain('the path is longer than 107 bytes')
  })

  it('unnamed listeners on port 0 get names of their own', () => {
    const { listeners } = parseConfig({
      listeners: [
        { ...listener, listen: ':0' },
        { ...listener, listen: ':0' },
        { ...listener, listen: ':0', name: ':0#2' },
      ],
    })
    expect(listeners.map(({ name }) => name)).toEqual([':0', ':0#3', ':0#2'])
  })

  it('a listener without an upstream is accepted only from a caller who chooses it per connection', () => {
    const input = { listeners: [{ listen: ':1' }] }
    expect(parseConfig(input, 'config', { upstreamOptional: true }).listeners[0]?.upstream).toBeNull()
    expect(linesOf(input)).toEqual([
      'listeners[0].upstream: missing; expected a name under upstreams, or an address (host:port, unix:/path)',
    ])
  })
})

describe('a config with mistakes', () => {
  it('is refused with one error that lists all of them, each on a line with its path', () => {
    const input = {
      listeners: [
        { ...listener, name: 'a', timeouts: { idle: '10 minutes', idel: '5s' }, overflow: 'refse' },
        { ...listener, name: 'a', upstream: 'redsi' },
      ],
      upstreams: { redis: ':6379' },
      logs: {},
    }
    const run = () => parseConfig(input, 'gate.yaml', { form: 'text' })
    expect(run).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        fault: 'usage',
        where: 'gate.yaml',
        message: [
          "gate.yaml: unknown key 'logs'; did you mean 'log'? (expected $schema, listeners, upstreams, timeouts, record, log, engine, workers or drainTimeout)",
          "gate.yaml: listeners[0].overflow: found 'refse'; expected wait or refuse; did you mean 'refuse'?",
          "gate.yaml: listeners[0].timeouts: unknown key 'idel'; did you mean 'idle'? (expected connect, idle or halfClose)",
          "gate.yaml: listeners[0].timeouts.idle: '10 minutes' is not a duration; expected e.g. 500ms, 30s, 5m, 1h",
          "gate.yaml: listeners[1].listen: '127.0.0.1:6380' is where listeners[0] listens already; expected another address, or port 0",
          "gate.yaml: listeners[1].name: 'a' is the name of listeners[0] already; expected a name of its own",
          "gate.yaml: listeners[1].upstream: 'redsi' is not under upstreams; expected a name under upstreams, or an address (host:port, unix:/path); did you mean 'redis'?",
        ].join('\n'),
      }),
    )
  })

  it('is told as data, too', () => {
    expect(problemsOf({ listeners: [{ ...listener, overflow: 'blok' }], log: { levle: 'warn' } })).toEqual([
      {
        path: 'listeners[0].overflow',
        found: "'blok'",
        expected: 'wait or refuse',
        message: "found 'blok'; expected wait or refuse",
      },
      {
        path: 'log',
        found: "'levle'",
        expected: 'level or format',
        message: "unknown key 'levle'; did you mean 'level'? (expected level or format)",
        suggestion: 'level',
      },
    ])
  })

  it.each<[string, unknown, string]>([
    ['nothing', undefined, ': missing; expected a mapping'],
    ['null', null, ': found nothing (null); expected a mapping'],
    ['a list', [listener], ': found a list; expected a mapping'],
    ['a text', 'listeners', ": found 'listeners'; expected a mapping"],
    ['no listeners', {}, 'listeners: missing; expected a list of listeners'],
    [
      'an empty list of listeners',
      { listeners: [] },
      'listeners: found an empty list; expected at least one',
    ],
    ['one listener', { listeners: listener }, 'listeners: found a mapping; expected a list of listeners'],
  ])('%s is no config', (_, input, line) => {
    expect(linesOf(input)).toEqual([line])
  })

  it.each<[Record<string, unknown>, string]>([
    [
      { listen: 'foo' },
      "listen: 'foo' is not an address: the port is missing; expected host:port, :port, [ipv6]:port or unix:/path",
    ],
    [
      { listen: 6380 },
      'listen: found 6380; expected an address: host:port, :port, [ipv6]:port or unix:/path',
    ],
    [{ upstream: null }, 'upstream: found nothing (null); expected a name under upstreams, or an address'],
    [
      { upstream: 'a:0' },
      "upstream: 'a:0' is nowhere to connect to: port 0; expected a name under upstreams, or an address (host:port, unix:/path)",
    ],
    [{ name: '' }, "name: found ''; expected 1 to 128 printable characters"],
    [{ name: 7 }, 'name: found 7; expected text'],
    [
      { allow: ['10.0.0.0/99'] },
      "allow[0]: '10.0.0.0/99' is not a CIDR rule: the prefix is not 0-32; expected e.g. 10.0.0.0/8, 192.168.1.7, 2001:db8::/32",
    ],
    [{ deny: '10.0.0.0/8' }, "deny: found '10.0.0.0/8'; expected a list"],
    [{ maxConnections: -1 }, 'maxConnections: found -1; expected a whole number of at least 0'],
    [{ maxConnections: '7' }, "maxConnections: found '7'; expected a whole number"],
    [{ backlog: 0 }, 'backlog: found 0; expected a whole number of at least 1'],
    [{ backlog: 65_536 }, 'backlog: found 65536; expected a whole number of at most 65535'],
    [{ backlog: 1.5 }, 'backlog: found 1.5; expected a whole number'],
    [{ noDelay: 'yes' }, "noDelay: found 'yes'; expected true or false"],
    [{ keepAlive: -1 }, "keepAlive: '-1' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    [{ keepAlive: true }, 'keepAlive: found true; expected a duration, e.g. 500ms, 30s, 5m, 1h'],
    [{ bufferSize: '1KiB' }, "bufferSize: '1KiB' is out of range; expected 4KiB to 16MiB"],
    [{ bufferSize: '1GiB' }, "bufferSize: '1GiB' is out of range; expected 4KiB to 16MiB"],
    [{ timeouts: '5s' }, "timeouts: found '5s'; expected a mapping"],
    [
      { timeouts: { connect: '25d' } },
      "timeouts.connect: '25d' is longer than a timer can wait; expected at most 24d",
    ],
    [{ timeouts: { dns: '5s' } }, "timeouts: unknown key 'dns'; expected connect, idle or halfClose"],
    [
      { record: true },
      'record: true, but there is no record section that says where to; expected a top-level record section with a file, or no record here',
    ],
    [{ record: 'x.pcapng' }, "record: found 'x.pcapng'; expected true, false, or what to record"],
    [
      { record: { enabled: false } },
      'record: a mapping, but there is no record section that says where to; expected a top-level record section with a file, or no record here',
    ],
  ])('a listener with %j is told %s', (fields, line) => {
    expect(linesOf({ listeners: [{ ...listener, ...fields }] })).toEqual([`listeners[0].${line}`])
  })

  it.each<[Record<string, unknown>, string]>([
    [{ upstreams: [] }, 'upstreams: found an empty list; expected a mapping'],
    [
      { upstreams: { a: null } },
      'upstreams.a: found nothing (null); expected an address, or { endpoints: [address, …] }',
    ],
    [
      { upstreams: { a: [':1'] } },
      'upstreams.a: found a list; expected an address, or { endpoints: [address, …] }',
    ],
    [
      { upstreams: { a: {} } },
      'upstreams.a.endpoints: missing; expected a list of addresses, e.g. [127.0.0.1:6379]',
    ],
    [
      { upstreams: { a: { endpoints: [] } } },
      'upstreams.a.endpoints: found an empty list; expected at least one',
    ],
    [
      { upstreams: { a: { endpoints: [':1', ':0'] } } },
      "upstreams.a.endpoints[1]: ':0' is nowhere to connect to: port 0; expected a port from 1 to 65535",
    ],
    [
      { upstreams: { a: { endpoints: [':1'], endpoint: ':2' } } },
      "upstreams.a: unknown key 'endpoint'; did you mean 'endpoints'? (expected endpoints, balance, maxConnections, queueTimeout, maxQueue, resolveInterval, passiveHealth, check, onDown, pool, sendProxyProtocol or wake)",
    ],
    [
      { upstreams: { 'a:1': ':1' } },
      "upstreams: 'a:1' is not a name; expected 1 to 64 letters, digits, dots, dashes or underscores",
    ],
    [{ record: {} }, 'record.file: missing; expected a path (or a database: to)'],
    [{ record: { file: 'a\0b' } }, "record.file: 'a\\u0000b' has a NUL in it; expected a path"],
    [
      { record: { file: 'a', overload: 'wait' } },
      "record.overload: found 'wait'; expected block, drop or disconnect",
    ],
    [{ record: null }, 'record: found nothing (null); expected a mapping'],
    [{ record: { file: 'a', sample: 2 } }, 'record.sample: found 2; expected a number from 0 to 1'],
    [{ record: { file: 'a', sample: '10%' } }, "record.sample: found '10%'; expected a number from 0 to 1"],
    [{ record: { file: 'a', sampleBy: 'ip' } }, "record.sampleBy: found 'ip'; expected client or random"],
    [
      { record: { file: 'a', deny: ['10.0.0.0/33'] } },
      "record.deny[0]: '10.0.0.0/33' is not a CIDR rule: the prefix is not 0-32; expected e.g. 10.0.0.0/8, 192.168.1.7, 2001:db8::/32",
    ],
    [
      { record: { file: 'a', maxBytes: '1kb' } },
      "record.maxBytes: '1kb' is not a size; expected e.g. 4096B, 64KiB, 256MiB, 1GiB",
    ],
    [{ record: { file: 'a', redact: 'x' } }, "record.redact: found 'x'; expected a list of patterns"],
    [
      { record: { file: 'a', redact: ['fine', 'abc('] } },
      'record.redact[1]: pattern /abc(/ at character 5: unterminated group; expected the syntax of JavaScript regular expressions with the u flag',
    ],
    [
      { record: { file: 'a', redact: [{ pattern: 'x', after: '(?=y)' }] } },
      "record.redact[0].after: after /(?=y)/ at character 1: '(?=y)' looks around a match; expected bytes, classes, groups, alternatives and repetitions",
    ],
    [
      { record: { file: 'a', redact: [''] } },
      'record.redact[0]: pattern //: matches the empty string; expected one byte at least',
    ],
    [
      { record: { file: 'a', redact: Array(9).fill('a{500}') } },
      'record.redact: pattern /a{500}/: with this the rules have more than 4096 places for a byte, all repetitions counted; expected lower counts, or + or *',
    ],
    [
      { record: { file: 'a', bufferSize: '64KiB' } },
      "record.bufferSize: '64KiB' is out of range; expected 1MiB to 1GiB",
    ],
    [
      { log: { level: 'warning' } },
      "log.level: found 'warning'; expected debug, info, warn, error or silent; did you mean 'warn'?",
    ],
    [{ drainTimeout: [] }, 'drainTimeout: found an empty list; expected a duration, e.g. 500ms, 30s, 5m, 1h'],
    [
      { drain_timeout: '5s' },
      ": unknown key 'drain_timeout'; did you mean 'drainTimeout'? (expected $schema, listeners, upstreams, timeouts, record, log, engine, workers or drainTimeout)",
    ],
  ])('a config with %j is told %s', (fields, line) => {
    expect(linesOf({ listeners: [listener], ...fields })).toEqual([line])
  })

  it('listeners may share a port but not an address, however it is spelt', () => {
    const on = (...listens: string[]) =>
      linesOf({ listeners: listens.map((listen) => ({ ...listener, listen })) })
    expect(on('127.0.0.1:1', '127.0.0.2:1')).toEqual([])
    expect(on('127.0.0.1:0', '127.0.0.1:0')).toEqual([])
    expect(on('localhost:1', 'LOCALHOST:01')).toHaveLength(1)
    expect(on('unix:/a', 'unix:/A')).toEqual([])
    expect(on('unix:/a', 'unix:/a')).toHaveLength(1)
  })

  it('keys that belong to JavaScript are told like any other', () => {
    const input: unknown = JSON.parse(
      '{"listeners":[{"listen":":1","upstream":"a:1","__proto__":{"record":true}}],"upstreams":{"__proto__":":1"},"__proto__":{},"constructor":1}',
    )
    const lines = linesOf(input)
    expect(lines).toHaveLength(4)
    expect(lines[0]).toContain("unknown key '__proto__'")
    expect(lines[1]).toContain("unknown key 'constructor'")
    expect(lines[2]).toContain("listeners[0]: unknown key '__proto__'")
    expect(lines[3]).toContain("upstreams: '__proto__' is not a name")
  })

  it('a problem is one short line, whatever stands in the config', () => {
    const nasty = `${'x'.repeat(100_000)}\n\u001b[31m`
    const lines = linesOf({
      listeners: [{ listen: nasty, upstream: nasty, name: 'a\u001b[2J', overflow: nasty, [nasty]: 1 }],
    })
    expect(lines.length).toBeGreaterThanOrEqual(5)
    for (const line of lines) {
      expect(line.length).toBeLessThan(400)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
      expect(line).not.toMatch(/[\u0000-\u001f]/)
    }
  })

  it('a flood of problems is shown in part and kept in full', () => {
    const input = { listeners: Array.from({ length: 200 }, () => 'x') }
    expect(problemsOf(input)).toHaveLength(200)
    expect(() => parseConfig(input)).toThrow(/\nconfig: … and 150 more problems$/)
  })
})

describe('a listener with a proxy in front', () => {
  const withProxy = (fields: object, listen = ':1') =>
    linesOf({ listeners: [{ listen, upstream: 'a:1', ...fields }] })

  it('has to say whose headers are believed', () => {
    for (const proxyProtocol of ['require', 'accept']) {
      expect(withProxy({ proxyProtocol, proxyFrom: ['10.0.0.5', 'fd00::/8'] })).toEqual([])
      expect(withProxy({ proxyProtocol })).toEqual([
        `listeners[0].proxyFrom: missing, but with proxyProtocol: ${proxyProtocol} any client could say that it is another; expected the addresses of the proxies in front, e.g. [10.0.0.5, 10.1.0.0/16]`,
      ])
      expect(withProxy({ proxyProtocol, proxyFrom: [] })).toEqual([
        expect.stringContaining('listeners[0].proxyFrom: empty, but with'),
      ])
    }
  })

  it('has to say that headers are read at all, or that they are not', () => {
    const proxyFrom = ['10.0.0.5']
    expect(withProxy({ proxyProtocol: 'off', proxyFrom })).toEqual([])
    expect(withProxy({ proxyFrom })).toEqual([
      'listeners[0].proxyFrom: given, but there is no proxyProtocol: no header would be read; expected proxyProtocol: require or accept beside it',
    ])
  })

  it('is not one on a unix socket', () => {
    expect(withProxy({ proxyProtocol: 'require', proxyFrom: ['10.0.0.5'] }, 'unix:/run/a.sock')).toEqual([
      "listeners[0].proxyProtocol: 'require', but the peers of a unix socket have no address that proxyFrom could name; expected off, or a listener on a host and port",
    ])
  })

  it('does not wait for a header without end', () => {
    for (const proxyTimeout of [0, '0', '0s'])
      expect(withProxy({ proxyTimeout })).toEqual([
        `listeners[0].proxyTimeout: '${proxyTimeout}' is out of range; expected at least 1ms`,
      ])
    expect(withProxy({ proxyTimeout: 1 })).toEqual([])
  })

  it('is told of what is of the wrong type once', () => {
    expect(withProxy({ proxyProtocol: 'yes' })).toEqual([
      "listeners[0].proxyProtocol: found 'yes'; expected off, require or accept",
    ])
    expect(withProxy({ proxyProtocol: 'require', proxyFrom: '10.0.0.5' })).toHaveLength(1)
  })
})

describe('an upstream that leads back to its listener', () => {
  const input = (upstream: string, upstreams: object = {}) => ({
    listeners: [{ listen: ':6380', upstream }],
    upstreams,
  })

  it.each([
    ['127.0.0.1:6380', {}],
    ['self', { self: ':6380' }],
    ['self', { self: { endpoints: ['10.0.0.1:6379', 'localhost:6380'] } }],
    ['self', { self: { endpoints: ['10.0.0.1:6379', { address: 'localhost:6380' }] } }],
  ])('is refused: %s %j', (upstream, upstreams) => {
    expect(() => parseConfig(input(upstream, upstreams))).toThrow(
      /^config: listeners\[0\]\.upstream: '.*:6380' leads back to this listener: each connection would make another; expected the address of a service$/,
    )
  })
})
