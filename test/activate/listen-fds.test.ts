/** Children that get the socket that listens: what they are told, and a real server that comes and goes. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lendListener, passListeners } from '../../src/activate/listen-fds.js'
import { createLinuxEngine } from '../../src/engine/linux/engine.js'
import { createPortableEngine } from '../../src/engine/portable/engine.js'
import type { LentListener } from '../../src/ports/engine.js'
import { answerOf, PASSED_HTTP_SERVER } from '../support/passed-socket.js'
import { eventually, type Scope, testScope } from '../support/scope.js'

const isLinux = process.platform === 'linux'

/** The server ends as soon as nobody has been there for so long. */
const IDLE_MS = '5'

const lend = async (scope: Scope): Promise<{ lent: LentListener; port: number }> => {
  const engine = createLinuxEngine()
  scope.defer(() => engine.close())
  const lent = await engine.lend?.({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } })
  if (lent === undefined || lent.address.kind !== 'tcp')
    throw new Error('unreachable: it is the linux engine')
  return { lent, port: lent.address.port }
}

/** The command, with the socket, as often as a client waits and none runs. */
const activate = (scope: Scope, lent: LentListener, command: readonly [string, ...string[]]) => {
  const runs: {
    readonly child: ChildProcess
    code: number | null | undefined
    stdout: string
    stderr: string
  }[] = []
  const wait = (): void => lent.onClient(start)
  const start = (): void => {
    const passing = passListeners(command, [{ fd: lent.fd, name: 'web:front' }])
    const [file, ...args] = passing.argv
    const child = spawn(file, args, {
      env: { ...process.env, IDLE_MS, ...passing.env },
      stdio: ['ignore', 'pipe', 'pipe', ...passing.stdio],
    })
    const run = { child, code: undefined as number | null | undefined, stdout: '', stderr: '' }
    child.stdout?.on('data', (chunk: Buffer) => {
      run.stdout += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      run.stderr += chunk.toString()
    })
    child.once('close', (code) => {
      run.code = code
      if (!isOver) wait()
    })
    runs.push(run)
  }
  let isOver = false
  scope.defer(async () => {
    isOver = true
    lent.onClient(null)
    const last = runs.at(-1)
    if (last === undefined || last.code !== undefined) return
    last.child.kill('SIGKILL')
    await once(last.child, 'close')
  })
  wait()
  return runs
}

describe('what a child is told of its sockets', () => {
  it('says how many they are and what they are called, as systemd would', async () => {
    const passing = passListeners(
      ['prog', 'a b', '$x'],
      [
        { fd: 17, name: 'web' },
        { fd: 4, name: 'a:b\nü' },
        { fd: 9, name: '' },
      ],
    )
    expect(passing.stdio).toEqual([17, 4, 9])
    expect(passing.env).toEqual({ LISTEN_FDS: '3', LISTEN_FDNAMES: 'web:a_b__:unknown' })
  })

  it('leaves the arguments as they are, and gives the process its own number', async () => {
    const program =
      'console.log(JSON.stringify([process.pid, process.env.LISTEN_PID, process.argv.slice(1)]))'
    const args = ['a b', '$x', '"', '-n', '']
    const passing = passListeners([process.execPath, '-e', program, '--', ...args], [])
    const [file, ...rest] = passing.argv
    const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    await once(child, 'close')
    expect(JSON.parse(text)).toEqual([child.pid, String(child.pid), args])
  })
})

describe('a socket that is to be handed over', () => {
  it('needs an engine that can leave clients unaccepted, and says which', async () => {
    const engine = createPortableEngine()
    const spec = { address: { kind: 'tcp', host: '127.0.0.1', port: 8080 } } as const
    await expect(lendListener(engine, spec)).rejects.toMatchObject({
      code: 'engine_unavailable',
      message:
        'cannot hand 127.0.0.1:8080 over to a child: the portable engine accepts whoever comes; the linux engine is needed',
    })
    await engine.close()
  })
})

describe.skipIf(!isLinux)('a server that is given the socket', () => {
  it('is started by a client that waits, ends by itself, and is started again, fifty times; no client is refused or lost', {
    timeout: 120_000,
  }, async () => {
    const scope = testScope()
    const program = join(scope.tempDir(), 'server.mjs')
    writeFileSync(program, PASSED_HTTP_SERVER)
    const { lent, port } = await lend(scope)
    const runs = activate(scope, lent, [process.execPath, program])
    for (let cycle = 1; cycle <= 50; cycle++) {
      const answers = await Promise.all(
        Array.from({ length: 1 + (cycle % 3) }, (_, i) => answerOf(port, `/${cycle}/${i}`)),
      )
      for (const [i, text] of answers.entries())
        expect(text).toMatch(new RegExp(`^\\d+ web_front /${cycle}/${i}$`))
      // Those that come while it ends are for the next one. Every other time it has ended before.
      if (cycle % 2 === 0) await eventually('it has ended', () => runs.at(-1)?.code !== undefined)
    }
    await eventually('the last has ended', () => runs.at(-1)?.code !== undefined)
    expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']))
    expect(runs.length).toBeGreaterThanOrEqual(25)
  })

  it('gets a socket that waits for clients, although one before has made it one that does not', async () => {
    const scope = testScope()
    const { lent, port } = await lend(scope)
    const program = join(scope.tempDir(), 'server.mjs')
    writeFileSync(program, PASSED_HTTP_SERVER)
    const runs = activate(scope, lent, [process.execPath, program])
    await answerOf(port, '/')
    await eventually('it has ended', () => runs.at(-1)?.code !== undefined)
    lent.onClient(null)
    const others = activate(scope, lent, ['grep', 'flags:', '/proc/self/fdinfo/3'])
    connect({ port, host: '127.0.0.1' })
      .on('error', () => {})
      .unref()
    const first = await eventually('it is started', () => others[0])
    await eventually('it has ended', () => first.code !== undefined)
    const flags = /^flags:\s+(\d+)$/m.exec(first.stdout)?.[1]
    if (flags === undefined) throw new Error(`no flags in '${first.stdout}'`)
    expect(Number.parseInt(flags, 8) & 0o4000).toBe(0)
  })
})
