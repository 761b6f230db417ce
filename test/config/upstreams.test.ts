import { describe, expect, it } from 'vitest'
import type { UpstreamConfig } from '../../src/config/config.js'
import { parseConfigText } from '../../src/config/load.js'
import { parseConfig } from '../../src/config/parse.js'
import { ConfigError } from '../../src/config/problems.js'
import { fillTemplate } from '../../src/core/byte-template.js'

const configWith = (upstream: unknown) => ({
  listeners: [{ listen: '127.0.0.1:6380', upstream: 'a' }],
  upstreams: { a: upstream },
})

/** The parsed upstream with these fields beside one endpoint. */
const upstreamWith = (fields: object): UpstreamConfig => {
  const { a } = parseConfig(configWith({ endpoints: [':1'], ...fields })).upstreams
  if (a === undefined) throw new Error('there is no upstream')
  return a
}

/** `path: message` of each problem, the path from the upstream on. */
const linesOf = (fields: object): readonly string[] => {
  try {
    upstreamWith(fields)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.replace(/^upstreams\.a\.?/, '')}: ${message}`)
  }
}

const reset = { send: 'RESET\r\n', expect: '+RESET\r\n' }
const reuse = { mode: 'reuse', reset }

const textOf = (bytes: Uint8Array | null | undefined): string => new TextDecoder().decode(bytes ?? undefined)

describe('the settings of an upstream', () => {
  it('an endpoint is an address, or a mapping with a weight and whether it is a backup', () => {
    const { endpoints } = upstreamWith({
      endpoints: [':1', { address: ':2', weight: 256 }, { address: 'unix:/s', backup: true }],
    })
    expect(endpoints).toEqual([
      { address: { kind: 'tcp', host: '', port: 1 }, weight: 1, backup: false },
      { address: { kind: 'tcp', host: '', port: 2 }, weight: 256, backup: false },
      { address: { kind: 'unix', path: '/s' }, weight: 1, backup: true },
    ])
  })

  it('durations become milliseconds', () => {
    const upstream = upstreamWith({
      queueTimeout: '2s',
      resolveInterval: '1m',
      passiveHealth: { failures: 0, backoff: '2s', maxBackoff: '4s' },
      check: { interval: '500ms', timeout: '200ms' },
      pool: { mode: 'reuse', stateless: true, idleTimeout: '2m', maxAge: '1d', quiet: 0 },
    })
    expect(upstream).toMatchObject({
      queueTimeoutMs: 2000,
      resolveIntervalMs: 60_000,
      passiveHealth: { failures: 0, backoffMs: 2000, maxBackoffMs: 4000 },
      check: { intervalMs: 500, timeoutMs: 200, rise: 2, fall: 3, send: null, expect: null },
      pool: { idleTimeoutMs: 120_000, maxAgeMs: 86_400_000, quietMs: 0, stateless: true, reset: null },
    })
  })

  it('a default that depends on another value never contradicts it', () => {
    expect(upstreamWith({ check: { interval: '300ms' } }).check?.timeoutMs).toBe(300)
    expect(upstreamWith({ check: {} }).check?.timeoutMs).toBe(1000)
    expect(upstreamWith({ passiveHealth: { backoff: '5m' } }).passiveHealth.maxBackoffMs).toBe(300_000)
    expect(upstreamWith({ pool: { mode: 'prewarm' } }).pool).toMatchObject({ min: 1, max: 16 })
    expect(upstreamWith({ pool: reuse }).pool).toMatchObject({ min: 0, max: 16 })
    expect(upstreamWith({ pool: { ...reuse, min: 40 } }).pool).toMatchObject({ min: 40, max: 40 })
    expect(upstreamWith({ pool: { ...reuse, min: 2 }, maxConnections: 5 }).pool).toMatchObject({
      min: 2,
      max: 5,
    })
    expect(upstreamWith({ pool: { mode: 'prewarm' }, maxConnections: 1 }).pool).toMatchObject({
      min: 1,
      max: 1,
    })
  })

  it('bytes are written as text or in hex, with the nonce in both', () => {
    const text = String.raw`
listeners: [{ listen: ':1', upstream: a }]
upstreams:
  a:
    endpoints: [':2']
    check: { send: "PING\r\n", expect: hex:2b 50 4F4e47 0d0a }
    pool:
      mode: reuse
      reset: { send: "ECHO {nonce} {nonce}\r\n", expect: "hex:24{nonce}0d0a" }
`
    const { check, pool } = parseConfigText(text, 'a.yaml').upstreams.a ?? {}
    expect(textOf(check?.send)).toBe('PING\r\n')
    expect(textOf(check?.expect)).toBe('+PONG\r\n')
    expect(pool?.reset && textOf(fillTemplate(pool.reset.send, '12ab'))).toBe('ECHO 12ab 12ab\r\n')
    expect(pool?.reset && textOf(fillTemplate(pool.reset.expect, '12ab'))).toBe('$12ab\r\n')
    expect(pool?.reset?.timeoutMs).toBe(1000)
  })

  it('a nonce means nothing to a check, which has none', () => {
    expect(textOf(upstreamWith({ check: { send: '{nonce}' } }).check?.send)).toBe('{nonce}')
  })
})

describe('an upstream with mistakes', () => {
  it('is told all of them at once', () => {
    expect(
      linesOf({
        endpoints: [':1', { address: ':1', weight: 0 }],
        balance: 'roundrobin',
        maxConnections: 10,
        check: { timeout: '3s', fall: 0 },
        pool: { mode: 'reuse', min: 30, max: 20 },
        sendProxyProtocol: 'v1',
      }),
    ).toEqual([
      "balance: found 'roundrobin'; expected first, round_robin, least_conn, random or source_hash; did you mean 'round_robin'?",
      'check.fall: found 0; expected a whole number of at least 1',
      'check.timeout: 3s is longer than the interval of 2s (its default): checks would overlap; expected at most 2s, or a longer interval',
      "endpoints[1]: ':1' is endpoints[0] already; expected another address; a larger share of the clients is a weight",
      'endpoints[1].weight: found 0; expected a whole number of at least 1',
      'pool: reuse without a proof that a connection is clean: what one client left on it, the next would get; expected reset: { send, expect }, or stateless: true if the protocol keeps nothing per connection',
      'pool.max: 20 is more than maxConnections: 10; expected at most 10, or a higher maxConnections',
      'pool.min: 30 is more than max: 20; expected at most 20, or a higher max',
      'sendProxyProtocol: the PROXY header names one client, at the start of a connection; a connection that is reused serves many; expected pool.mode: off instead of reuse, or no sendProxyProtocol',
    ])
  })

  it.each<[object, string]>([
    [
      { endpoints: [null] },
      'endpoints[0]: found nothing (null); expected an address, or { address, weight, backup }',
    ],
    [
      { endpoints: [{}] },
      'endpoints[0].address: missing; expected an address: host:port, :port, [ipv6]:port or unix:/path',
    ],
    [
      { endpoints: [{ address: ':0' }] },
      "endpoints[0].address: ':0' is nowhere to connect to: port 0; expected a port from 1 to 65535",
    ],
    [
      { endpoints: [{ address: ':1', weight: 257 }] },
      'endpoints[0].weight: found 257; expected a whole number of at most 256',
    ],
    [
      { endpoints: [{ address: ':1', wieght: 2 }] },
      "endpoints[0]: unknown key 'wieght'; did you mean 'weight'? (expected address, weight or backup)",
    ],
    [
      { endpoints: ['B:1', 'b:01'] },
      "endpoints[1]: 'b:1' is endpoints[0] already; expected another address; a larger share of the clients is a weight",
    ],
    [
      { endpoints: [{ address: ':1', backup: true }] },
      'endpoints: every endpoint is a backup, of nothing; expected at least one that is none',
    ],
    [{ maxQueue: -1 }, 'maxQueue: found -1; expected a whole number of at least 0'],
    [{ queueTimeout: 'soon' }, "queueTimeout: 'soon' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    [
      { passiveHealth: { failures: 1001 } },
      'passiveHealth.failures: found 1001; expected a whole number of at most 1000',
    ],
    [{ passiveHealth: { backoff: 0 } }, "passiveHealth.backoff: '0' is out of range; expected at least 1ms"],
    [
      { passiveHealth: { backoff: '3s', maxBackoff: '2s' } },
      'passiveHealth.maxBackoff: 2s is shorter than the backoff of 3s; expected at least 3s, or a shorter backoff',
    ],
    [
      { passiveHealth: { maxBackoff: '500ms' } },
      'passiveHealth.maxBackoff: 500ms is shorter than the backoff of 1s (its default); expected at least 1s, or a shorter backoff',
    ],
    [{ check: { interval: '1ms' } }, "check.interval: '1ms' is out of range; expected at least 10ms"],
    [{ check: { timeout: 0 } }, "check.timeout: '0' is out of range; expected at least 1ms"],
    [
      { check: { interval: '1s', timeout: '1500ms' } },
      'check.timeout: 1500ms is longer than the interval of 1s: checks would overlap; expected at most 1s, or a longer interval',
    ],
    [{ check: { send: '' } }, "check.send: found ''; expected text, or bytes as hex:0d0a"],
    [{ check: { expect: 'hex:' } }, 'check.expect: no bytes at all; expected text, or bytes as hex:0d0a'],
    [
      { check: { expect: 'hex:abc' } },
      'check.expect: 3 hexadecimal digits, where a byte has two; expected text, or bytes as hex:0d0a',
    ],
    [
      { check: { expect: 'hex:0x0d' } },
      "check.expect: 'x' is not a hexadecimal digit; expected text, or bytes as hex:0d0a",
    ],
    [
      { check: { send: 'é'.repeat(2049) } },
      'check.send: 4098 bytes, more than the 4096 that are sent or read at once; expected text, or bytes as hex:0d0a',
    ],
    [
      { onDown: 'cut' },
      'onDown: cut, but without checks no endpoint is ever found down; expected a check section, or keep',
    ],
    [{ pool: { min: 1 } }, 'pool.mode: missing; expected off, prewarm or reuse'],
    [{ pool: { mode: 'prewarm', max: 0 } }, 'pool.max: found 0; expected a whole number of at least 1'],
    [
      { pool: { mode: 'prewarm', min: 0 } },
      'pool.min: 0, but prewarm is to keep connections ready; expected at least 1, or mode: off',
    ],
    [
      { pool: { mode: 'prewarm', min: 6 }, maxConnections: 5 },
      'pool.min: 6 is more than maxConnections: 5; expected at most 5, or a higher maxConnections',
    ],
    [
      { pool: { ...reuse, stateless: true } },
      'pool: both reset and stateless: true: a connection is cleaned, or needs no cleaning; expected one of them: reset: { send, expect }, or stateless: true if the protocol keeps nothing per connection',
    ],
    [
      { pool: { mode: 'prewarm', reset } },
      'pool.reset: reset, but with mode: prewarm no connection serves a second client; expected mode: reuse, or no reset',
    ],
    [
      { pool: { mode: 'off', stateless: true } },
      'pool.stateless: stateless, but with mode: off no connection serves a second client; expected mode: reuse, or no stateless',
    ],
    [
      { pool: { mode: 'reuse', reset: { send: 'x' } } },
      'pool.reset.expect: missing; expected text, or bytes as hex:0d0a',
    ],
    [
      { pool: { mode: 'reuse', reset: { send: 'x', expect: '{nonce}' } } },
      'pool.reset.expect: {nonce} is expected but not sent, so it cannot come back; expected {nonce} in send as well, or nowhere',
    ],
    [
      { pool: { mode: 'reuse', reset: { ...reset, timeout: 0 } } },
      "pool.reset.timeout: '0' is out of range; expected at least 1ms",
    ],
    [{ sendProxyProtocol: 'v3' }, "sendProxyProtocol: found 'v3'; expected v1 or v2; did you mean 'v1'?"],
    [
      { pool: { mode: 'prewarm' }, sendProxyProtocol: 'v2' },
      'sendProxyProtocol: the PROXY header names one client, at the start of a connection; a connection dialled ahead has none yet; expected pool.mode: off instead of prewarm, or no sendProxyProtocol',
    ],
  ])('with %j it is told %s', (fields, line) => {
    expect(linesOf(fields)).toEqual([line])
  })

  it.each<[object]>([
    [{ pool: { mode: 'off' }, sendProxyProtocol: 'v1' }],
    [{ pool: { mode: 'off', min: 5, max: 5 } }],
    [{ pool: { ...reuse, min: 5, max: 5 }, maxConnections: 5 }],
    [{ pool: { ...reuse, min: 5000 }, maxConnections: 0 }],
    [{ check: { interval: '1s', timeout: '1s' }, onDown: 'cut' }],
    [{ passiveHealth: { backoff: '1s', maxBackoff: '1s' } }],
    [{ endpoints: ['a:1', 'b:1', { address: 'a:2', backup: true }] }],
  ])('%j has none', (fields) => {
    expect(linesOf(fields)).toEqual([])
  })
})
