import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type WakeFlags, wakeConfigOf } from '../../../src/cli/commands/wake.js'
import { expectFailure } from '../../support/failure.js'
import { testScope } from '../../support/scope.js'
import { LOOPBACK } from '../../support/sockets.js'
import { listening, startTidegate } from '../../support/tidegate.js'

const LISTEN = `${LOOPBACK}:0`

describe('a COMMAND that cannot be started', () => {
  it.each<[string, readonly string[], RegExp]>([
    [
      'is not in PATH',
      [':1', '--', 'no-such-command'],
      /^tidegate: COMMAND: there is no command 'no-such-command' in PATH/,
    ],
    ['is a directory', ['--listen-fds', '--', '/tmp'], /COMMAND: '\/tmp' is a directory, not a program/],
  ])('and %s is one line and exit code 2, before any client comes', async (_, args, says) => {
    await expectFailure(['wake', LISTEN, ...args], 2, says)
  })

  it('is a warning for a config: other upstreams are served, and it may come yet', async () => {
    const scope = testScope()
    const file = join(scope.tempDir(), 'tidegate.yaml')
    writeFileSync(
      file,
      `listeners: [{ listen: '${LISTEN}', upstream: a }]\nupstreams: { a: { wake: { mode: inetd, exec: [no-such-command] } } }\n`,
    )
    const gateway = startTidegate(scope, ['serve', file])
    await listening(gateway)
    expect(gateway.log.filter(({ level }) => level === 'warn')).toEqual([
      expect.objectContaining({
        upstream: 'a',
        msg: "its service cannot be started: there is no command 'no-such-command' in PATH",
      }),
    ])
    expect(await gateway.finish()).toBe(0)
  })
})

describe('options that have no meaning beside --inetd or --listen-fds', () => {
  it('are one line in the words of the command line, and exit code 2', async () => {
    await expectFailure(
      ['wake', LISTEN, '--listen-fds', '--out', 'x.pcapng', '--', 'cat'],
      2,
      /^tidegate: --out: it has no meaning with --listen-fds: COMMAND accepts the clients itself/,
    )
  })

  it.each<[string, WakeFlags, RegExp]>([
    ['--idle', { inetd: true, idle: '5s' }, /^--idle: it has no meaning with --inetd: each client has a/],
    ['--ready-when', { inetd: true, readyWhen: 'connect' }, /^--ready-when: .*--inetd/],
    ['--balance', { inetd: true, balance: 'random' }, /^--balance: .*--inetd/],
    ['--allow', { listenFds: true, allow: ['10.0.0.0/8'] }, /^--allow: .*--listen-fds/],
    ['--max-connections', { listenFds: true, maxConnections: '5' }, /^--max-connections: .*--listen-fds/],
    [
      '--proxy-protocol',
      { listenFds: true, proxyProtocol: 'require', proxyFrom: ['10.0.0.1'] },
      /^--proxy-protocol: .*--listen-fds/,
    ],
    ['--wake-on', { listenFds: true, wakeOn: 'data' }, /^--wake-on: .*--listen-fds/],
    ['the other one', { listenFds: true, inetd: true }, /^--inetd and --listen-fds: either/],
  ])('%s with %j', (_, flags, says) => {
    expect(() => wakeConfigOf(LISTEN, [], ['cat'], flags)).toThrow(says)
  })

  it('there is no TARGET either', () => {
    const config = () => wakeConfigOf(LISTEN, [':1'], ['cat'], { inetd: true })
    expect(config).toThrow("TARGET: ':1', but with --inetd there is none")
  })
})

describe('what a command line with --inetd stands for', () => {
  it('--max-connections bounds connections and processes, and --send-proxy reaches them', () => {
    const flags = { inetd: true, maxConnections: '3', sendProxy: 'v2' } as const
    expect(wakeConfigOf(LISTEN, [], ['cat'], flags)).toMatchObject({
      listeners: [{ maxConnections: 3 }],
      upstreams: {
        target: { maxConnections: 3, sendProxyProtocol: 'v2', wake: { exec: ['cat'], mode: 'inetd' } },
      },
    })
    expect(wakeConfigOf(LISTEN, [], ['cat'], { inetd: true, maxConnections: '0' }).upstreams).toEqual({
      target: { wake: { exec: ['cat'], mode: 'inetd' } },
    })
  })
})
