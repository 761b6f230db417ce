/** `tidegate wake --inetd` and `--listen-fds`, as people type them. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runsStill } from '../support/proc.js'
import { run, runWell } from '../support/processes.js'
import { expectSameBytes, expectSound, listConnections, rawStream } from '../support/recording.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { inetdSshd } from '../support/servers/sshd.js'
import { dial, LOOPBACK, readAll } from '../support/sockets.js'
import { listening, portIn, startTidegate } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'

const wake = async (scope: Scope, flags: readonly string[], command: readonly string[]) => {
  const gateway = startTidegate(scope, ['wake', `${LOOPBACK}:0`, ...flags, '--', ...command])
  const [address = ''] = (await listening(gateway)).values()
  return { ...gateway, port: portIn(address) }
}

/** A shell that has a child of its own, tells both process ids, and cares for nothing. */
const FAMILY = 'trap "" TERM HUP; sleep 600 & echo "$$ $!"; while :; do sleep 0.05; done'

/** The numbers of the process and of its child. */
const familyOf = async (port: number): Promise<readonly number[]> => {
  const socket = await dial(testScope(), port)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await eventually('its numbers', () => text.includes('\n'))
  return text.trim().split(' ').map(Number)
}

const noneRuns = (pids: readonly number[]): Promise<true> =>
  eventually('all have ended', () => !pids.some(runsStill))

describeWith(['sshd', 'ssh', 'ssh-keygen', 'socat', 'tshark'], 'sshd -i behind tidegate wake --inetd', () => {
  it('serves ssh clients, each by a process of its own, and the recording has every byte', async () => {
    const scope = testScope()
    const sshd = await inetdSshd(scope)
    const directory = scope.tempDir()
    const [file, sent, received] = ['recording.pcapng', 'sent', 'received'].map((name) =>
      join(directory, name),
    )
    const gateway = await wake(scope, ['--inetd', '--out', file!], sshd.command)
    const to = [`${sshd.user}@${LOOPBACK}`]
    const proxy = `${toolPath('socat')} -r ${sent} -R ${received} - TCP:${LOOPBACK}:${gateway.port}`
    const options = [...sshd.clientOptions, '-o', `ProxyCommand=${proxy}`]
    const command = 'echo "hello from $((6 * 7))"; while read word; do echo "got $word"; done; exit 7'
    const session = await run(toolPath('ssh'), [...options, ...to, command], { input: 'one\ntwo\n' })
    expect(session).toMatchObject({ code: 7, stderr: '' })
    expect(session.stdout.toString()).toBe('hello from 42\ngot one\ngot two\n')

    const direct = [...sshd.clientOptions, '-p', String(gateway.port), ...to]
    const lines = await Promise.all(
      ['a', 'b', 'c'].map((word) => runWell(toolPath('ssh'), [...direct, `echo ${word}; seq 1 20000`])),
    )
    const seq = Array.from({ length: 20_000 }, (_, n) => `${n + 1}\n`).join('')
    expect(lines.map(({ stdout }) => stdout.toString())).toEqual(
      ['a', 'b', 'c'].map((word) => `${word}\n${seq}`),
    )

    await gateway.closed(4)
    expect(await gateway.finish()).toBe(0)
    const stream = (await expectSound(file!, [1])).get(1)!
    expectSameBytes(stream.upstream, readFileSync(sent!), 'what the ssh client sent')
    expectSameBytes(stream.downstream, readFileSync(received!), 'what the ssh client received')
    // With -e, sshd says on standard error whom it has let in.
    expect(gateway.log.some(({ msg, pid }) => msg.startsWith('Accepted publickey') && Number(pid) > 0)).toBe(
      true,
    )
  }, 60_000)
})

describe.runIf(process.platform === 'linux')('tidegate wake --inetd', () => {
  it('records what a process and its client say', async () => {
    const scope = testScope()
    const file = join(scope.tempDir(), 'recording.pcapng')
    const gateway = await wake(
      scope,
      ['--inetd', '--out', file],
      ['sh', '-c', 'while read -r l; do echo "<$l>"; done'],
    )
    const socket = await dial(scope, gateway.port)
    const answer = readAll(socket)
    socket.end('one\ntwo\n')
    expect(String(await answer)).toBe('<one>\n<two>\n')
    await gateway.closed(1)
    expect(await gateway.finish()).toBe(0)
    const [only] = await listConnections(file)
    expect(only).toMatchObject({ reason: 'client_fin', lost: { upstream: 0, downstream: 0 } })
    expect(String(await rawStream(file, only!.connection, 'upstream'))).toBe('one\ntwo\n')
    expect(String(await rawStream(file, only!.connection, 'downstream'))).toBe('<one>\n<two>\n')
  })

  it('SIGTERM ends processes that do not care, and theirs, within the drain time and a moment', async () => {
    const gateway = await wake(testScope(), ['--inetd', '--drain-timeout', '100ms'], ['sh', '-c', FAMILY])
    const pids = [...(await familyOf(gateway.port)), ...(await familyOf(gateway.port))]
    expect(pids.every(runsStill)).toBe(true)
    expect(await gateway.finish()).toBe(0)
    await noneRuns(pids)
    expect(gateway.noise).toEqual([])
    expect(gateway.log.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('kill -9 leaves no process, and none that a process has started', async () => {
    const gateway = await wake(testScope(), ['--inetd'], ['sh', '-c', FAMILY])
    const pids = [...(await familyOf(gateway.port)), ...(await familyOf(gateway.port))]
    expect(pids.every(runsStill)).toBe(true)
    await gateway.daemon.stop('SIGKILL')
    await noneRuns(pids)
  })
})

describe.runIf(process.platform === 'linux')('tidegate wake --listen-fds', () => {
  const SERVER = `
const server = require('node:net').createServer((socket) => socket.end(process.pid + ' ' + process.env.LISTEN_FDNAMES))
server.listen({ fd: 3 })
process.on('SIGTERM', () => process.exit(0))
`

  it('hands the socket over, and ends the process with itself', async () => {
    const scope = testScope()
    const gateway = await wake(scope, ['--listen-fds', '--name', 'web'], [process.execPath, '-e', SERVER])
    const [pid = '', name] = String(await readAll(await dial(scope, gateway.port))).split(' ')
    expect(name).toBe('web')
    expect(runsStill(Number(pid))).toBe(true)
    expect(await gateway.finish()).toBe(0)
    await noneRuns([Number(pid)])
  })

  it('kill -9 leaves no process', async () => {
    const scope = testScope()
    const gateway = await wake(scope, ['--listen-fds'], [process.execPath, '-e', SERVER])
    const [pid = ''] = String(await readAll(await dial(scope, gateway.port))).split(' ')
    expect(runsStill(Number(pid))).toBe(true)
    await gateway.daemon.stop('SIGKILL')
    await noneRuns([Number(pid)])
  })
})
