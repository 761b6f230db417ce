/** Real programs as servers, one process per connection, through both engines. */

import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createInetd, type Inetd, type InetdOptions } from '../../src/activate/inetd.js'
import { createLinuxEngine } from '../../src/engine/linux/engine.js'
import { createPortableEngine } from '../../src/engine/portable/engine.js'
import type { TidegateError } from '../../src/errors.js'
import type { Conn, LinkEnd } from '../../src/ports/engine.js'
import type { Peer } from '../../src/testing/engine/peer.js'
import { NO_LIMITS, Scene } from '../../src/testing/engine/scene.js'
import { run, runWell } from '../support/processes.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { findTool, toolPath } from '../support/tools.js'

const LOCAL = { kind: 'tcp', host: '127.0.0.1', port: 7 } as const

/** Whether anybody of the group is left who is not only waiting to be forgotten. */
const isRunning = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z'
  } catch {
    return false
  }
}

const ENGINES = [
  ['portable', createPortableEngine],
  ...(process.platform === 'linux' ? ([['linux', createLinuxEngine]] as const) : []),
] as const

describe.each(ENGINES)('a process per connection on the %s engine', (_, createEngine) => {
  let scene: Scene
  let inetds: Inetd[]
  /** `pid: line` */
  let output: string[]
  let exits: { pid: number; code: number | null; signal: string | null }[]

  beforeEach(() => {
    scene = new Scene(createEngine())
    inetds = []
    output = []
    exits = []
  })

  afterEach(async () => {
    for (const inetd of inetds) await inetd.close()
    await scene.close()
    expect(inetds.map(({ running }) => running)).toEqual(inetds.map(() => 0))
  })

  const serve = (argv: readonly [string, ...string[]], options: Partial<InetdOptions> = {}): Inetd => {
    const inetd = createInetd(scene.engine, {
      argv,
      output: (line) => void output.push(line),
      exited: (pid, code, signal) => void exits.push({ pid, code, signal }),
      ...options,
    })
    inetds.push(inetd)
    return inetd
  }

  const dial = (inetd: Inetd, client = { kind: 'tcp', host: '192.0.2.7', port: 4711 } as const) =>
    new Promise<Conn>((resolve, reject) => {
      inetd.dial(client, LOCAL, (error, conn) => (conn === null ? reject(error) : resolve(conn)))
    })

  interface Served {
    readonly client: Peer
    readonly ended: Promise<LinkEnd>
  }

  const connect = async (inetd: Inetd, limits = NO_LIMITS): Promise<Served> => {
    const gateway = await scene.gateway()
    const client = await scene.client(gateway.listening.address)
    const conn = await gateway.accepted()
    const upstream = await dial(inetd)
    const { ended } = scene.link(conn, upstream, {}, limits)
    return { client, ended }
  }

  it('answers line by line', async () => {
    const { client, ended } = await connect(
      serve(['sh', '-c', 'while read l; do echo "<$l>"; done; echo bye']),
    )
    client.socket.write('one\n')
    await client.has('<one>\n')
    client.socket.write('two\n')
    await client.has('<one>\n<two>\n')
    client.socket.end()
    await client.sawEnd()
    expect(client.text).toBe('<one>\n<two>\nbye\n')
    expect((await ended).reason).toBe('client_fin')
    await eventually('its end is told', () => exits.length === 1)
    expect(exits[0]).toMatchObject({ code: 0, signal: null })
  })

  it('takes 8 MiB in and gives them back, whole, through cat', async () => {
    const { client } = await connect(serve(['cat']))
    const bytes = 8 * 1024 * 1024
    client.socket.end(Buffer.alloc(bytes, 'tidegate'))
    await client.sawEnd()
    expect(client.received).toBe(bytes)
  })

  it('is one socket for both directions, blocking as programs expect', async () => {
    // Reads from its standard output, and writes to its standard input.
    const { client } = await connect(
      serve(['sh', '-c', 'read l <&1; echo "got $l" >&0; stat -L -c %F /dev/fd/0 /dev/fd/1']),
    )
    client.socket.write('it\n')
    await client.sawEnd()
    expect(client.text).toBe('got it\nsocket\nsocket\n')
    client.socket.end()
  })

  it('loses nothing that a process wrote before it exited, although it has read nothing', async () => {
    const bytes = 3 * 1024 * 1024
    const { client, ended } = await connect(serve(['sh', '-c', `head -c ${bytes} /dev/zero`]))
    client.stall()
    // More than all buffers on the way: some of it is unread when the process ends, and some comes later.
    client.pour(Buffer.alloc(64 * 1024), () => client.hasEnded)
    client.socket.resume()
    await client.sawEnd()
    expect(client.received).toBe(bytes)
    client.socket.end()
    expect((await ended).reason).toBe('upstream_fin')
    await eventually('it has ended', () => exits.length === 1)
  })

  it('gives the output of a process that has ended to a client that sends on and reads late', async () => {
    const { client } = await connect(serve(['sh', '-c', 'head -c 300000 /dev/zero']))
    client.stall()
    await eventually('it has ended', () => exits.length === 1)
    for (let i = 0; i < 20; i++) client.socket.write(Buffer.alloc(10_000))
    client.socket.resume()
    await client.sawEnd()
    expect(client.received).toBe(300_000)
    client.socket.end()
  })

  it('forgets what is sent to a process that has ended, whatever the pieces, and does not wait for more', async () => {
    const { client, ended } = await connect(serve(['true']))
    await client.sawEnd()
    await eventually('it has ended', () => exits.length === 1)
    for (const size of [65_536, 2 * 65_536, 1])
      await new Promise((done) => client.socket.write(Buffer.alloc(size), done))
    client.socket.end()
    expect((await ended).reason).toBe('upstream_fin')
  })

  it('cuts a client that goes on sending to a process that ended a while ago', async () => {
    const { client, ended } = await connect(serve(['echo', 'all'], { lingerMs: 100 }))
    client.pour(Buffer.alloc(1024), () => false)
    await client.closed()
    expect(client.text).toBe('all\n')
    expect((await ended).reason).toBe('upstream_reset')
  })

  it('tells a keeper which groups run', async () => {
    const kept = new Set<number>()
    const keeper = {
      keep: (group: number) => void kept.add(group),
      release: (group: number) => void kept.delete(group),
    }
    const { client } = await connect(serve(['sh', '-c', 'echo $$; cat'], { keeper }))
    await eventually('it tells its number', () => client.text.endsWith('\n'))
    expect([...kept]).toEqual([Number(client.text)])
    client.socket.end()
    await eventually('it is let go', () => kept.size === 0)
  })

  it('tells who the client is, and nothing that was said of another', async () => {
    const inetd = serve(['env'], { env: { REMOTE_HOST: 'kept', TCPREMOTEIP: 'another', GREETING: 'hello' } })
    const { client } = await connect(inetd)
    await client.sawEnd()
    const lines = client.text.split('\n')
    for (const line of [
      'REMOTE_ADDR=192.0.2.7',
      'REMOTE_PORT=4711',
      'LOCAL_ADDR=127.0.0.1',
      'LOCAL_PORT=7',
      'PROTO=TCP',
      'TCPREMOTEIP=192.0.2.7',
      'TCPREMOTEPORT=4711',
      'GREETING=hello',
    ])
      expect(lines).toContain(line)
    client.socket.end()
  })

  it('logs standard error line by line, with the last one that has no end', async () => {
    const { client } = await connect(
      serve(['sh', '-c', 'echo one >&2; echo answer; printf "two\\nthree" >&2']),
    )
    await client.sawEnd()
    expect(client.text).toBe('answer\n')
    await eventually('all is told', () => output.length === 3)
    expect(output).toEqual(['one', 'two', 'three'])
    client.socket.end()
  })

  it('runs in its directory', async () => {
    const directory = testScope().tempDir()
    const { client } = await connect(serve(['pwd'], { cwd: directory }))
    await client.sawEnd()
    expect(client.text).toBe(`${directory}\n`)
    client.socket.end()
  })

  it('starts as many at once as come', async () => {
    const inetd = serve(['cat'])
    const all = await Promise.all(Array.from({ length: 20 }, () => connect(inetd)))
    expect(inetd.running).toBe(20)
    all.forEach(({ client }, i) => void client.socket.end(`client ${i}`))
    for (const [i, { client }] of all.entries()) {
      await client.sawEnd()
      expect(client.text).toBe(`client ${i}`)
    }
    await eventually('all have ended', () => inetd.running === 0)
  })

  it('is asked to end when its client has gone and it does not notice', async () => {
    const { client } = await connect(serve(['sleep', '1000'], { graceMs: 50 }))
    client.socket.resetAndDestroy()
    await eventually('it has ended', () => exits.length === 1)
    expect(exits[0]).toMatchObject({ signal: 'SIGTERM' })
  })

  it('is killed, with all that it has started, when it does not listen to that either', async () => {
    const script = `trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000`
    const { client } = await connect(serve(['sh', '-c', script], { graceMs: 50, stopTimeoutMs: 200 }))
    await eventually('it tells whom it has started', () => client.text.endsWith('\n'))
    const started = Number(client.text)
    expect(isRunning(started)).toBe(true)
    client.socket.resetAndDestroy()
    await eventually('nobody is left', () => exits.length === 1 && !isRunning(started))
    expect(exits[0]).toMatchObject({ signal: 'SIGKILL' })
  })

  it('ends who it has left behind when it exits', async () => {
    const inetd = serve(['sh', '-c', 'sleep 1000 & echo $!'], { stopTimeoutMs: 5000 })
    const { client } = await connect(inetd)
    await client.sawEnd()
    const started = Number(client.text)
    await eventually('nobody is left', () => inetd.running === 0 && !isRunning(started))
    client.socket.end()
  })

  it('ends all that run when it is closed', async () => {
    const inetd = serve(['sleep', '1000'])
    const { client } = await connect(inetd)
    await connect(inetd)
    await inetd.close()
    expect(exits.map(({ signal }) => signal)).toEqual(['SIGTERM', 'SIGTERM'])
    await client.sawEnd()
    await expect(dial(inetd)).rejects.toMatchObject({ code: 'dial_failed' })
  })

  it('leaves nothing on disk', async () => {
    const directory = testScope().tempDir()
    vi.stubEnv('TMPDIR', directory)
    try {
      const inetd = serve(['true'])
      await connect(inetd)
      await inetd.close()
      expect(readdirSync(directory)).toEqual([])
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('says what cannot be started', async () => {
    const directory = testScope().tempDir()
    const plain = join(directory, 'plain')
    writeFileSync(plain, 'not a program')
    chmodSync(plain, 0o644)
    const errorOf = (
      argv: readonly [string, ...string[]],
      options: Partial<InetdOptions> = {},
    ): Promise<TidegateError> =>
      dial(serve(argv, options)).then(
        () => Promise.reject(new Error('it was started')),
        (error) => error,
      )
    expect((await errorOf(['no-such-thing'])).message).toBe("there is no command 'no-such-thing' in PATH")
    expect((await errorOf([plain])).message).toBe(`'${plain}' is not executable`)
    expect((await errorOf([directory])).message).toBe(`'${directory}' is a directory, not a program`)
    expect((await errorOf(['./none'], { cwd: directory })).message).toBe(
      `there is no program '${directory}/none'`,
    )
    expect((await errorOf(['cat'], { cwd: '/no/such' })).message).toBe(
      "cannot run 'cat': there is no directory '/no/such'",
    )
    expect(await errorOf(['cat', 'x'.repeat(4 * 1024 * 1024)])).toMatchObject({
      code: 'dial_failed',
      message: "cannot start 'cat': its arguments and environment are too long (E2BIG)",
    })
    for (const inetd of inetds) expect(inetd.running).toBe(0)
  })

  it('starts no more than there are places, and gives each back once nothing of it runs', async () => {
    let left = 1
    const places = {
      take: () => left > 0 && left-- > 0,
      give: () => void left++,
    }
    const inetd = serve(['cat'], { places })
    const { client } = await connect(inetd)
    await expect(dial(inetd)).rejects.toMatchObject({ code: 'dial_failed', retryable: true })
    await expect(
      dial(serve(['no-such-thing'], { places: { take: () => true, give: places.give } })),
    ).rejects.toThrow()
    expect(left).toBe(1)
    left = 0
    client.socket.end()
    await eventually('the place is back', () => left === 1)
  })

  it('starts nothing for a client that has left before', async () => {
    const inetd = serve(['cat'])
    const dialled = inetd.dial(LOCAL, LOCAL, () => {
      throw new Error('it was cancelled')
    })
    dialled.cancel()
    await dial(inetd)
    expect(inetd.running).toBe(1)
  })

  it.skipIf(findTool('git') === undefined)('serves a git repository through git daemon --inetd', async () => {
    const directory = testScope().tempDir()
    const git = (...args: string[]) =>
      runWell(toolPath('git'), args, {
        env: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
      })
    const source = join(directory, 'source')
    await git('init', '-q', source)
    writeFileSync(join(source, 'file'), 'x'.repeat(200_000))
    await git('-C', source, 'add', '.')
    await git('-C', source, '-c', 'user.name=T', '-c', 'user.email=t@example.com', 'commit', '-qm', 'one')
    const inetd = serve(['git', 'daemon', '--inetd', '--export-all', `--base-path=${directory}`, directory], {
      env: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
    })
    const port = await listen(inetd)
    await git('clone', '-q', `git://127.0.0.1:${port}/source`, join(directory, 'copy'))
    expect(readFileSync(join(directory, 'copy', 'file'), 'utf8')).toHaveLength(200_000)
  })

  it.skipIf(findTool('sshd') === undefined)('is an ssh server with sshd -i', async () => {
    const scope = testScope()
    const directory = scope.tempDir()
    const file = (name: string): string => join(directory, name)
    for (const key of ['host_key', 'client_key'])
      await runWell(toolPath('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file(key)])
    writeFileSync(file('authorized_keys'), readFileSync(file('client_key.pub')), { mode: 0o600 })
    const config = [
      `HostKey ${file('host_key')}`,
      'PidFile none',
      `AuthorizedKeysFile ${file('authorized_keys')}`,
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
    ]
    writeFileSync(file('sshd_config'), `${config.join('\n')}\n`)
    if (process.getuid?.() === 0 && !existsSync('/run/sshd')) {
      mkdirSync('/run/sshd', { mode: 0o755 })
      scope.defer(() => rmdirSync('/run/sshd'))
    }
    const inetd = serve([toolPath('sshd'), '-i', '-e', '-f', file('sshd_config')])
    const port = await listen(inetd)
    const options = [
      '-F',
      '/dev/null',
      '-i',
      file('client_key'),
      '-o',
      'BatchMode=yes',
      '-o',
      'IdentitiesOnly=yes',
    ]
    const trust = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'LogLevel=ERROR',
    ]
    const ssh = [...options, ...trust, '-p', String(port), `${userInfo().username}@127.0.0.1`]
    const input = Buffer.alloc(3 * 1024 * 1024, 'tidegate')
    const done = await run(toolPath('ssh'), [...ssh, 'cat; exit 7'], { input })
    expect(done.stderr).toBe('')
    expect(done.code).toBe(7)
    expect(done.stdout.equals(input)).toBe(true)
    await eventually('nothing of it is left', () => inetd.running === 0)
  })

  /** Every client of the port gets a process. */
  const listen = async (inetd: Inetd): Promise<number> => {
    const listening = await scene.engine.listen(
      { address: { kind: 'tcp', host: '127.0.0.1', port: 0 } },
      (client) => {
        inetd.dial(client.remote, client.local, (error, conn) => {
          if (conn === null) throw error
          scene.link(client, conn)
        })
      },
    )
    return listening.address.kind === 'tcp' ? listening.address.port : 0
  }
})

describe.skipIf(process.platform !== 'linux')('processes per connection', () => {
  /** A program that starts one which notices nothing, and prints its number. */
  const startingOne = (scope: Scope): string => {
    const program = join(scope.tempDir(), 'program.mjs')
    writeFileSync(
      program,
      `import { createInetd } from ${JSON.stringify(new URL('../../build/activate/inetd.js', import.meta.url).href)}
       const engine = { adopt: (stream) => stream }
       const inetd = createInetd(engine, { argv: ['sh', '-c', 'trap "" TERM HUP; echo $$; exec sleep 1000'], output: () => {} })
       const at = { kind: 'unix', path: '' }
       inetd.dial(at, at, (error, stream) => stream.on('data', (chunk) => process.stdout.write(chunk)))`,
    )
    return program
  }

  const textOf = (stream: Readable): (() => string) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    return () => text
  }

  it('are gone when the gateway is killed, those that do not notice the end of their input too', async () => {
    const scope = testScope()
    const gateway = spawn(process.execPath, [startingOne(scope)], { stdio: ['ignore', 'pipe', 'inherit'] })
    scope.defer(() => gateway.kill('SIGKILL'))
    const text = textOf(gateway.stdout)
    await eventually('it tells its number', () => text().endsWith('\n'))
    expect(isRunning(Number(text()))).toBe(true)
    gateway.kill('SIGKILL')
    await eventually('it is gone', () => !isRunning(Number(text())))
  })

  it('are gone when the thread that started them dies', async () => {
    const scope = testScope()
    const worker = new Worker(startingOne(scope), { stdout: true })
    scope.defer(() => worker.terminate())
    const text = textOf(worker.stdout)
    await eventually('it tells its number', () => text().endsWith('\n'))
    expect(isRunning(Number(text()))).toBe(true)
    await worker.terminate()
    await eventually('it is gone', () => !isRunning(Number(text())))
  })
})
