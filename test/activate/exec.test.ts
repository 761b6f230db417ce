/** Real processes as services. */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createExecActivator, type ExecOptions } from '../../src/activate/exec.js'
import { isRunning, startActivation, type Watched } from '../support/activation.js'
import { openFilesOf, residentBytes } from '../support/proc.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { lastingPort } from '../support/sockets.js'

const NODE = process.execPath

const at = (port: number) => ({ kind: 'tcp', host: '127.0.0.1', port }) as const

const SAYS_READY = { by: 'output', pattern: /^ready/ } as const

type Options = Partial<Omit<ExecOptions, 'argv'>>

const start = (scope: Scope, argv: readonly [string, ...string[]], options: Options = {}): Watched =>
  startActivation(scope, createExecActivator({ argv, endpoints: [], ready: SAYS_READY, ...options }))

const sh = (scope: Scope, script: string, options: Options = {}): Watched =>
  start(scope, ['sh', '-c', script], options)

const listen = (port: number): readonly [string, ...string[]] => [
  NODE,
  '-e',
  `require('net').createServer().listen(${port}, '127.0.0.1')`,
]

describe('a service that is a child process', () => {
  it('is given its words as they are, its directory and its variables', async () => {
    const directory = testScope().tempDir()
    const words = ['', 'a b', '$HOME', '"\'`', '--', '-x', 'ü\n', '*']
    const script =
      'console.log(JSON.stringify([process.argv.slice(1), process.cwd(), process.env.COLOUR, !!process.env.PATH]))'
    const run = start(testScope(), [NODE, '-e', script, '--', ...words], {
      workdir: directory,
      env: { COLOUR: 'blue green' },
    })
    await run.ended
    expect(JSON.parse(run.lines[0]?.line ?? '')).toEqual([words, directory, 'blue green', true])
  })

  it('leads a group of its own, and is the process that was started', async () => {
    const run = sh(testScope(), 'echo ready $$ $(ps -o pgid= -p $$); sleep 60')
    await run.ready
    expect(run.lines[0]?.line.split(/\s+/)).toEqual(['ready', String(run.pid), String(run.pid)])
  })

  it('is started by a PATH of its own', async () => {
    const scope = testScope()
    const directory = scope.tempDir()
    writeFileSync(join(directory, 'service'), '#!/bin/sh\necho ready\n')
    chmodSync(join(directory, 'service'), 0o755)
    const run = start(scope, ['service'], { env: { PATH: directory } })
    await run.ready
  })

  it.runIf(process.platform === 'linux')('has no descriptors but its input and its outputs', async () => {
    const run = sh(testScope(), 'echo ready; exec sleep 60')
    await run.ready
    // What this process itself was started with goes on to all that it starts.
    const own = new Set(openFilesOf(process.pid))
    const links = (): readonly string[] => openFilesOf(run.pid).filter((link) => !own.has(link))
    await eventually('only three descriptors', () => openFilesOf(run.pid).length >= 3)
    expect(links().filter((link) => link.startsWith('socket:'))).toHaveLength(2)
    expect(links().filter((link) => link !== '/dev/null' && !link.startsWith('socket:'))).toEqual([])
    expect(['0', '1', '2'].every((fd) => readdirSync(`/proc/${run.pid}/fd`).includes(fd))).toBe(true)
  })

  it('has an empty input', async () => {
    const run = sh(testScope(), 'cat; echo end of input')
    await run.ended
    expect(run.lines.map(({ line }) => line)).toEqual(['end of input'])
  })

  it('is heard line by line, on both of its outputs, to the last line without an end', async () => {
    const run = sh(testScope(), 'echo one; echo two >&2; printf three')
    const { tail, ...how } = await run.ended
    expect(run.lines).toHaveLength(3)
    expect(run.lines).toEqual(
      expect.arrayContaining([
        { line: 'one', stream: 'stdout' },
        { line: 'two', stream: 'stderr' },
        { line: 'three', stream: 'stdout' },
      ]),
    )
    expect([...tail].sort()).toEqual(['one', 'three', 'two'])
    expect(how).toEqual({ message: 'exited with code 0', code: 0, signal: null })
  })

  it('that floods is not kept waiting, and neither the log nor memory fills', async () => {
    const before = residentBytes(process.pid)
    // 40 MB.
    const run = sh(testScope(), 'yes flood... | head -n 4000000; echo the end')
    const { tail } = await run.ended
    expect(tail.at(-1)).toBe('the end')
    expect(tail).toHaveLength(20)
    const leftOut = run.lines.flatMap(({ line }) => /^… (\d+) lines? left out$/.exec(line)?.[1] ?? [])
    expect(leftOut.length).toBeGreaterThan(0)
    const told = run.lines.length - leftOut.length
    // 200 a second; a generous bound of seconds.
    expect(told).toBeLessThan(200 * 20)
    expect(told + leftOut.reduce((sum, n) => sum + Number(n), 0)).toBe(4_000_001)
    expect(residentBytes(process.pid) - before).toBeLessThan(150_000_000)
  })

  it('is ready by a line in a flood', async () => {
    const run = sh(testScope(), 'yes flooding | head -n 100000; echo ready; exec sleep 60')
    await run.ready
  })

  it.each([
    ['exit 7', { message: 'exited with code 7', code: 7, signal: null }],
    ['kill -SEGV $$', { message: 'was killed by SIGSEGV', code: null, signal: 'SIGSEGV' }],
  ])('that ends at once (%s) is told of with its last lines', async (script, how) => {
    const run = sh(testScope(), `for n in $(seq 30); do echo line $n; done; ${script}`)
    const { tail, ...told } = await run.ended
    expect(told).toEqual(how)
    expect(tail).toEqual(Array.from({ length: 20 }, (_, n) => `line ${n + 11}`))
    expect(run.counts).toEqual({ ready: 0, ended: 1 })
  })

  it('takes all that it has started along when it ends', async () => {
    const run = sh(testScope(), '(trap "" TERM HUP; sleep 60 & echo child $!; wait) & sleep 0.2; echo leader')
    const { tail } = await run.ended
    const child = Number(/child (\d+)/.exec(tail.join())?.[1])
    expect(child).toBeGreaterThan(1)
    await eventually('the end of the grandchild', () => !isRunning(child))
  })

  it('is told to end as a whole group, and by the signal that it wants', async () => {
    const run = sh(testScope(), 'echo ready; exec sleep 60', { stopSignal: 'SIGUSR1' })
    await run.ready
    run.activation.stop()
    expect(await run.ended).toMatchObject({ signal: 'SIGUSR1' })
    const other = sh(
      testScope(),
      `trap 'echo told the leader' TERM
       ${NODE} -e 'process.on("SIGTERM", () => { console.log("told the member"); process.exit() }); console.log("ready"); setInterval(() => {}, 1000)' & wait; wait; exit 3`,
    )
    await other.ready
    other.activation.stop()
    other.activation.stop()
    const { code, tail } = await other.ended
    expect(code).toBe(3)
    expect(tail).toEqual(expect.arrayContaining(['told the leader', 'told the member']))
  })

  it('that ignores SIGTERM is killed with all of its group', async () => {
    const run = sh(testScope(), `trap '' TERM; sleep 60 & echo ready $!; wait; while :; do sleep 1; done`)
    await run.ready
    const member = Number(run.lines[0]?.line.split(' ')[1])
    run.activation.stop()
    run.activation.kill()
    expect(await run.ended).toMatchObject({ message: 'was killed by SIGKILL', signal: 'SIGKILL' })
    await eventually('the end of its group', () => !isRunning(member))
  })

  it('can be stopped at any moment of its start', async () => {
    for (const delay of [0, 1, 2, 3, 5, 8]) {
      const run = sh(testScope(), 'exec sleep 60')
      if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
      run.activation.stop()
      expect((await run.ended).message).toMatch(/was killed by SIGTERM|was stopped before/)
    }
  })

  it('is over although somebody who left its group has its output still', async () => {
    const run = sh(testScope(), 'setsid sh -c "sleep 2" & sleep 0.2; exit 4')
    const begin = performance.now()
    expect(await run.ended).toMatchObject({ code: 4 })
    expect(performance.now() - begin).toBeLessThan(1900)
  })

  it('is over although nobody asks how a member of its group has ended', async () => {
    const scope = testScope()
    // Its parent has left the group, and never waits for it.
    const script = `const { spawn } = require('child_process')
      const leader = process.pid
      const python = 'import os,sys,time\\npid=os.fork()\\nif pid==0: os._exit(0)\\nos.setsid() if False else None\\nos.setpgid(0,0) if False else None\\ntime.sleep(0.1)\\nos.setsid()\\nprint("zombie %d" % pid,flush=True)\\ntime.sleep(30)'
      const child = spawn('python3', ['-c', python], { stdio: ['ignore', 'pipe', 'ignore'] })
      child.stdout.on('data', (text) => { console.log(String(text).trim(), child.pid); process.exit(5) })`
    const run = start(scope, [NODE, '-e', script])
    const { code, tail } = await run.ended
    expect(code).toBe(5)
    const [, zombie, parent] = (tail[0] ?? '').split(' ').map(Number)
    scope.defer(() => process.kill(parent as number, 'SIGKILL'))
    expect(existsSync(`/proc/${zombie}`)).toBe(true)
    expect(isRunning(zombie as number)).toBe(false)
  })

  it('accepts at its endpoint when it is ready', async () => {
    const port = await lastingPort()
    const run = start(testScope(), listen(port), { endpoints: [at(port)], ready: { by: 'connect' } })
    await run.ready
    run.activation.stop()
    expect(await run.ended).toMatchObject({ signal: 'SIGTERM' })
    expect(run.counts).toEqual({ ready: 1, ended: 1 })
  })
})

describe('a service that cannot be started says why', () => {
  const why = async (argv: readonly [string, ...string[]], options: Options = {}): Promise<string> => {
    const { message, code, signal } = await start(testScope(), argv, options).ended
    expect([code, signal]).toEqual([null, null])
    expect(message).not.toContain('\n')
    return message
  }

  it('no such command, a directory, not executable', async () => {
    const directory = testScope().tempDir()
    writeFileSync(join(directory, 'plain'), 'text')
    mkdirSync(join(directory, 'folder'))
    expect(await why(['no-such-command'])).toBe(
      "cannot be started: there is no command 'no-such-command' in PATH",
    )
    expect(await why(['./nothing'], { workdir: directory })).toBe(
      `cannot be started: there is no program '${directory}/nothing'`,
    )
    expect(await why(['./folder'], { workdir: directory })).toBe(
      `cannot be started: '${directory}/folder' is a directory, not a program`,
    )
    expect(await why(['./plain'], { workdir: directory })).toBe(
      `cannot be started: '${directory}/plain' is not executable`,
    )
  })

  it('no such directory', async () => {
    expect(await why(['true'], { workdir: '/no/such' })).toBe(
      "cannot be started: cannot run 'true': there is no directory '/no/such'",
    )
  })

  it('no such user or group', async () => {
    expect(await why(['true'], { user: 'nobody-at-all' })).toBe(
      "cannot be started: there is no user 'nobody-at-all'",
    )
    expect(await why(['true'], { group: 'nobody-at-all' })).toBe(
      "cannot be started: there is no group 'nobody-at-all'",
    )
    expect(await why(['true'], { user: 54_321_987 })).toBe("cannot be started: there is no user '54321987'")
  })

  it.runIf(process.getuid?.() !== 0)('a user that only root may be', async () => {
    expect(await why(['true'], { user: 'root' })).toBe('cannot be started: only root may run it as user root')
  })

  it('arguments that are too long', async () => {
    expect(await why(['true', 'x'.repeat(3_000_000)])).toBe(
      'cannot be started: its arguments and environment are too long (E2BIG)',
    )
  })

  it.runIf(process.platform === 'linux')('a stranger at its address, by name and number', async () => {
    const scope = testScope()
    const port = await lastingPort()
    const stranger = start(scope, listen(port), { endpoints: [at(port)], ready: { by: 'connect' } })
    await stranger.ready
    const marker = join(scope.tempDir(), 'ran')
    expect(await why(['touch', marker], { endpoints: [at(port)], ready: { by: 'connect' } })).toBe(
      `was not started: node (pid ${stranger.pid}) listens at 127.0.0.1:${port} already, where nobody was expected before the start`,
    )
    expect(existsSync(marker)).toBe(false)
  })
})

describe.runIf(process.platform === 'linux')('a service that is not ready', () => {
  it('is not confused with a stranger who comes while it starts: that is said', async () => {
    const scope = testScope()
    const port = await lastingPort()
    const run = start(scope, ['sleep', '60'], { endpoints: [at(port)], ready: { by: 'connect' } })
    await eventually('it has been started', () => run.activation.pid !== null)
    const server = createServer().listen(port, '127.0.0.1')
    scope.defer(() => server.close())
    await run.ready
    const said = await eventually('a warning', () => run.warnings[0])
    expect(said).toBe(
      `it is this very process (pid ${process.pid}) that listens at 127.0.0.1:${port}, and not what was started`,
    )
  })

  it('is found where it listens instead', async () => {
    const [port, other] = [await lastingPort(), await lastingPort()]
    const run = start(testScope(), listen(other), { endpoints: [at(port)], ready: { by: 'connect' } })
    expect(
      await eventually('that it listens elsewhere', async () => {
        const said = (await run.activation.diagnose?.()) ?? ''
        return said.startsWith('it listens at') && said
      }),
    ).toBe(`it listens at 127.0.0.1:${other}, not at 127.0.0.1:${port}`)
  })

  it('is found to listen nowhere', async () => {
    const port = await lastingPort()
    const run = start(testScope(), ['sleep', '60'], { endpoints: [at(port)], ready: { by: 'connect' } })
    await eventually('its process', () => run.activation.pid)
    expect(await run.activation.diagnose?.()).toBe('it listens nowhere')
  })
})

describe.runIf(process.getuid?.() === 0)('a service that is run as somebody else', () => {
  it('has the numbers of the user, and no groups of root', async () => {
    const run = sh(testScope(), 'echo ready; id -u; id -g; id -G', { user: 'nobody' })
    await run.ended
    const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
    expect(run.lines.map(({ line }) => line)).toEqual(['ready', uid, gid, gid])
  })
})
