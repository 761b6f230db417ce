import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { wakeConfigOf } from '../../../src/cli/commands/wake.js'
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
    [
      'is not there',
      ['--inetd', '--', '/no/such/program'],
      /COMMAND: there is no program '\/no\/such\/program'/,
    ],
    ['is a directory', ['--listen-fds', '--', '/tmp'], /COMMAND: '\/tmp' is a directory, not a program/],
    ['is not executable', ['--inetd', '--', '/etc/passwd'], /COMMAND: '\/etc\/passwd' is not executable/],
    [
      'has no working directory',
      ['--inetd', '--workdir', '/no/such', '--', 'cat'],
      /there is no directory '\/no\/such'/,
    ],
    [
      'is not in the PATH that --env gives it',
      ['--inetd', '--env', 'PATH=/no', '--', 'cat'],
      /no command 'cat' in PATH/,
    ],
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
  it.each<[string, readonly string[], RegExp]>([
    [
      '--idle with --inetd',
      ['--inetd', '--idle', '5s'],
      /^tidegate: --idle: it has no meaning with --inetd: each client has a COMMAND/,
    ],
    ['--ready-when with --inetd', ['--inetd', '--ready-when', 'connect'], /--ready-when: .*--inetd/],
    [
      '--out with --listen-fds',
      ['--listen-fds', '--out', 'x.pcapng'],
      /--out: it has no meaning with --listen-fds: COMMAND accepts the clients itself/,
    ],
    ['--allow with --listen-fds', ['--listen-fds', '--allow', '10.0.0.0/8'], /--allow: .*--listen-fds/],
    [
      '--max-connections with --listen-fds',
      ['--listen-fds', '--max-connections', '5'],
      /--max-connections: .*--listen-fds/,
    ],
    [
      '--proxy-protocol with --listen-fds',
      ['--listen-fds', '--proxy-protocol', 'require', '--proxy-from', '10.0.0.1'],
      /--proxy-protocol: .*--listen-fds/,
    ],
    ['--wake-on with --listen-fds', ['--listen-fds', '--wake-on', 'data'], /--wake-on: .*--listen-fds/],
    ['both of them', ['--listen-fds', '--inetd'], /--inetd and --listen-fds: either/],
    ['a TARGET', [':1', '--inetd'], /TARGET: ':1', but with --inetd there is none/],
  ])('%s is one line in the words of the command line', async (_, args, says) => {
    await expectFailure(['wake', LISTEN, ...args, '--', 'cat'], 2, says)
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
