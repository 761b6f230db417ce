import { describe, expect, it } from 'vitest'
import type { WakeConfig } from '../../src/config/config.js'
import { parseConfigText } from '../../src/config/load.js'
import { parseConfig } from '../../src/config/parse.js'
import { ConfigError } from '../../src/config/problems.js'

const configWith = (upstream: object) => ({
  listeners: [{ listen: '127.0.0.1:6380', upstream: 'a' }],
  upstreams: { a: upstream },
})

const exec = ['redis-server', '--port', '6390']

const wakeWith = (wake: object, upstream: object = { endpoints: [':1'] }): WakeConfig => {
  const { a } = parseConfig(configWith({ ...upstream, wake })).upstreams
  if (a?.wake == null) throw new Error('it is not woken')
  return a.wake
}

/** `path: message` of each problem, the path from the upstream on. */
const linesOf = (wake: object, upstream: object = { endpoints: [':1'] }): readonly string[] => {
  try {
    wakeWith(wake, upstream)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.replace(/^upstreams\.a\.?/, '')}: ${message}`)
  }
}

describe('how an upstream is woken', () => {
  it('a command alone gets every default', () => {
    expect(wakeWith({ exec })).toEqual({
      mode: 'service',
      driver: { kind: 'exec', argv: exec },
      workdir: null,
      env: {},
      user: null,
      group: null,
      idleMs: 30_000,
      idleBy: 'connections',
      minUptimeMs: 0,
      startMs: 30_000,
      readyMs: 500,
      ready: { by: 'connect' },
      stopTimeoutMs: 10_000,
      stopSignal: 'SIGTERM',
      on: 'connect',
      match: [],
      from: [],
    })
  })

  it('three commands are asked themselves whether the service is up', () => {
    const command = { start: ['a', 'up'], stop: ['a', 'down'], isUp: ['a', 'status'] }
    expect(wakeWith({ command })).toMatchObject({
      driver: { kind: 'command', ...command, intervalMs: 5000 },
      ready: { by: 'driver' },
    })
  })

  it('readiness can be a line of output, a command or a notification', () => {
    expect(wakeWith({ exec, readyWhen: { output: 'Ready' } }).ready).toEqual({
      by: 'output',
      pattern: 'Ready',
    })
    expect(wakeWith({ exec, readyWhen: { command: ['pg_isready'] } }).ready).toEqual({
      by: 'command',
      argv: ['pg_isready'],
    })
    expect(wakeWith({ exec, readyWhen: 'notify' }).ready).toEqual({ by: 'notify' })
  })

  it('inetd and listener have no endpoints: the command stands for them, and processes are bounded', () => {
    for (const mode of ['inetd', 'listener']) {
      const { a } = parseConfig(configWith({ wake: { exec: ['cat'], mode } })).upstreams
      expect(a?.endpoints.map(({ address }) => address)).toEqual([{ kind: 'unix', path: 'cat' }])
      if (mode === 'inetd') expect(a?.maxConnections).toBe(100)
    }
    const { a } = parseConfig(
      configWith({ maxConnections: 3, wake: { exec: ['cat'], mode: 'inetd' } }),
    ).upstreams
    expect(a?.maxConnections).toBe(3)
  })

  it('the working directory starts at the folder of the config file', () => {
    const text = JSON.stringify(configWith({ endpoints: [':1'], wake: { exec, workdir: 'data' } }))
    expect(parseConfigText(text, 'a.json', { folder: '/srv' }).upstreams.a?.wake?.workdir).toBe('/srv/data')
  })

  it('neither exec nor command is only for a program with an activator of its own', () => {
    const input = configWith({ endpoints: [':1'], wake: {} })
    expect(() => parseConfig(input)).toThrow(/nothing says what to start/)
    const { a } = parseConfig(input, 'config', { activators: new Set(['a']) }).upstreams
    expect(a?.wake?.driver).toEqual({ kind: 'custom' })
  })
})

describe('how an upstream cannot be woken', () => {
  it.each([
    [{}, undefined, /^wake: nothing says what to start; expected exec/],
    [
      { exec, command: { start: ['a'], stop: ['b'], isUp: ['c'] } },
      undefined,
      /^wake: both exec and command/,
    ],
    [{ exec: [] }, undefined, /^wake\.exec: .*expected the words of a command/],
    [
      { exec: 'redis-server' },
      undefined,
      /^wake\.exec: found 'redis-server'; expected the words of a command/,
    ],
    [{ exec: [''] }, undefined, /^wake\.exec: .*expected the words of a command/],
    [{ exec, wakeMatch: ['GET '] }, undefined, /^wake\.wakeMatch: given, but without wakeOn: data/],
    [
      { exec, readyWhen: { output: '(' } },
      undefined,
      /^wake\.readyWhen\.output: .*is not a regular expression/,
    ],
    [{ exec, readyWhen: { command: [] } }, undefined, /^wake\.readyWhen\.command: .*expected the words/],
    [{ exec, readyWhen: 'conect' }, undefined, /^wake\.readyWhen: .*expected connect or notify/],
    [{ exec, wakeFrom: ['10.0.0.0/64'] }, undefined, /^wake\.wakeFrom\[0\]: .*prefix/],
    [{ exec, start: '0s' }, undefined, /^wake\.start/],
    [{ exec, env: { 'A=B': 'c' } }, undefined, /^wake\.env/],
    [{ exec, idel: '1s' }, undefined, /^wake: unknown key 'idel'; did you mean 'idle'/],
    [
      { exec, mode: 'inetd' },
      { endpoints: [':1'] },
      /^endpoints: endpoints, but with mode: inetd each client/,
    ],
    [{ exec, mode: 'inetd' }, { pool: { mode: 'prewarm' } }, /^pool: pool, but with mode: inetd/],
    [{ exec, mode: 'inetd', idle: '1s' }, {}, /^wake\.idle: idle, but with mode: inetd/],
    [
      { exec, mode: 'listener' },
      { maxConnections: 1 },
      /^maxConnections: maxConnections, but with mode: listener/,
    ],
    [{ exec }, { endpoints: [':1'], maxQueue: 0 }, /^maxQueue: 0, but clients have to wait/],
    [{ exec }, {}, /^endpoints: missing; expected a list of addresses/],
    [
      { command: { start: ['a'], stop: ['b'], isUp: ['c'] }, readyWhen: 'notify' },
      undefined,
      /^wake\.readyWhen: 'notify', but what command starts is no process of ours/,
    ],
  ])('%j with %j', (wake, upstream, line) => {
    const lines = linesOf(wake, upstream)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(line)
  })
})

describe('the listener of a process that accepts by itself', () => {
  const upstreams = { a: { wake: { exec, mode: 'listener' } }, b: '127.0.0.1:1' }

  const linesWith = (settings: object, upstream = 'a'): readonly string[] => {
    const listeners = [{ listen: '127.0.0.1:6380', upstream, ...settings }]
    try {
      parseConfig({ record: { file: 'a.pcapng' }, listeners, upstreams })
      return []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems.map(({ path, message }) => `${path}: ${message}`)
    }
  }

  it.each([
    ['allow', ['10.0.0.0/8']],
    ['deny', ['10.0.0.0/8']],
    ['maxConnections', 5],
    ['overflow', 'refuse'],
    ['timeouts', { idle: '5s' }],
    ['noDelay', false],
    ['keepAlive', '5s'],
    ['bufferSize', '1MiB'],
    ['proxyTimeout', '5s'],
    ['record', true],
  ])('%s says nothing there', (key, value) => {
    expect(linesWith({ [key]: value })).toEqual([
      `listeners[0].${key}: ${key}, but 'a' has mode: listener: its process accepts the clients, and nothing of them is seen here; expected mode: service or inetd, or no ${key}`,
    ])
    expect(linesWith({ [key]: value }, 'b')).toEqual([])
  })

  it('PROXY headers of clients are not read there', () => {
    expect(linesWith({ proxyProtocol: 'require', proxyFrom: ['10.0.0.1'] })).toEqual([
      expect.stringMatching(/^listeners\[0\]\.proxyFrom: proxyFrom, but 'a' has mode: listener/),
      expect.stringMatching(/^listeners\[0\]\.proxyProtocol: proxyProtocol, but 'a' has mode: listener/),
    ])
  })

  it('what says that nothing is done, and what the socket itself has, may stand there', () => {
    expect(linesWith({ record: false, proxyProtocol: 'off', name: 'x', backlog: 5 })).toEqual([])
  })
})
