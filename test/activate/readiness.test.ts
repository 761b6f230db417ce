/** When services are found to be ready. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { createExecActivator } from '../../src/activate/exec.js'
import { createReadiness, type ReadyRule } from '../../src/activate/readiness.js'
import { openNotifications } from '../../src/engine/linux/notifications.js'
import { startActivation, type Watched } from '../support/activation.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { findTool } from '../support/tools.js'

const start = (scope: Scope, script: string, ready: ReadyRule, workdir?: string): Watched =>
  startActivation(
    scope,
    createExecActivator({
      argv: ['sh', '-c', script],
      endpoints: [],
      ready,
      readyMs: 20,
      env: { COLOUR: 'blue' },
      ...(workdir === undefined ? {} : { workdir }),
    }),
  )

describe('readiness by connect', () => {
  it('is looked for at once, and again until somebody accepts', async () => {
    const scope = testScope()
    const path = join(scope.tempDir(), 'socket')
    const onReady = vi.fn()
    const options = { endpoints: [{ kind: 'unix', path }] as const, longestPauseMs: 5 }
    const readiness = createReadiness({ by: 'connect' }, options, onReady)
    await readiness.environment()
    readiness.start()
    const server = createServer()
    scope.defer(() => server.close())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    await eventually('readiness', () => onReady.mock.calls.length > 0)
    readiness.stop()
    expect(onReady).toHaveBeenCalledTimes(1)
  })
})

describe('readiness by output', () => {
  it('looks at each line from its beginning, whatever the flags of the pattern', async () => {
    const onReady = vi.fn()
    const options = { endpoints: [], longestPauseMs: 5 }
    const pattern = /ready/g
    pattern.lastIndex = 5
    const readiness = createReadiness({ by: 'output', pattern }, options, onReady)
    readiness.line('getting there')
    expect(readiness.status()).toBe('no line of its output matches /ready/')
    readiness.line('ready')
    readiness.line('ready')
    expect(onReady).toHaveBeenCalledTimes(1)
    expect(readiness.wantsLines).toBe(false)
  })
})

describe('readiness by a command', () => {
  it('is told with the directory and the variables of the service', async () => {
    const scope = testScope()
    const directory = scope.tempDir()
    const argv = ['sh', '-c', '[ "$COLOUR" = blue ] && test -e there'] as const
    const run = start(scope, 'exec sleep 60', { by: 'command', argv }, directory)
    expect(
      await eventually('a no', async () => {
        const said = await run.activation.diagnose?.()
        return said?.includes('exited') && said
      }),
    ).toMatch(/which is asked whether it is ready, exited with code 1$/)
    writeFileSync(join(directory, 'there'), '')
    await run.ready
  })

  it('that is not there is an error before anything is started', async () => {
    const run = start(testScope(), 'echo started', { by: 'command', argv: ['no-such-command'] })
    expect(await run.ended).toMatchObject({
      message: "cannot be started: there is no command 'no-such-command' in PATH",
      tail: [],
    })
  })
})

const NOTIFY = { by: 'notify', open: openNotifications } as const

const python = (messages: string): string =>
  `exec python3 -c '
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
print(os.environ["NOTIFY_SOCKET"], flush=True)
${messages}
time.sleep(60)'`

describe.runIf(process.platform === 'linux' && findTool('python3') !== undefined)(
  'readiness by notify',
  () => {
    it('is what READY=1 says, among other lines, and nothing of the socket is left', async () => {
      const run = start(
        testScope(),
        python('s.send(b"STATUS=here\\nREADY=1\\nMAINPID=1"); s.send(b"READY=1")'),
        NOTIFY,
      )
      await run.ready
      const path = await eventually('the path', () => run.lines[0]?.line)
      expect(existsSync(path)).toBe(true)
      run.activation.stop()
      await run.ended
      expect(run.counts).toEqual({ ready: 1, ended: 1 })
      expect(existsSync(dirname(path))).toBe(false)
    })

    it('is not what anything else says, which is told instead', async () => {
      const script = python('s.send(b"READY=0\\nXREADY=1"); s.send(b"STATUS=loading the model")')
      const run = start(testScope(), script, NOTIFY)
      expect(
        await eventually('its status', async () => {
          const said = await run.activation.diagnose?.()
          return said?.startsWith('it says') && said
        }),
      ).toBe('it says: loading the model')
      expect(run.counts.ready).toBe(0)
    })

    it('goes on being read, so that who says much never waits', async () => {
      const script = python(
        's.send(b"READY=1")\nfor n in range(5000): s.send(b"WATCHDOG=1")\nprint("all sent", flush=True)',
      )
      const run = start(testScope(), script, NOTIFY)
      await run.ready
      await eventually('all to be sent', () => run.lines.some(({ line }) => line === 'all sent'))
    })

    it.runIf(process.getuid?.() === 0)('may be said by a service of another user', async () => {
      const run = startActivation(
        testScope(),
        createExecActivator({
          argv: [
            'perl',
            '-e',
            'use Socket; socket(S, PF_UNIX, SOCK_DGRAM, 0); connect(S, sockaddr_un($ENV{NOTIFY_SOCKET})) or die $!; send(S, "READY=1", 0); sleep 60',
          ],
          user: 'nobody',
          endpoints: [],
          ready: NOTIFY,
        }),
      )
      await run.ready
    })

    it.runIf(findTool('systemd-notify') !== undefined)('may be said by systemd-notify', async () => {
      await start(testScope(), 'systemd-notify --ready; exec sleep 60', NOTIFY).ready
    })

    it('says why when there is no such socket', async () => {
      const before = process.env.TMPDIR
      const scope = testScope()
      const directory = join(scope.tempDir(), 'x'.repeat(120))
      mkdirSync(directory)
      process.env.TMPDIR = directory
      try {
        await expect(openNotifications(() => {})).rejects.toThrow(
          /^there is no socket for notify to be had: its path '.*' is too long; set TMPDIR$/,
        )
      } finally {
        if (before === undefined) delete process.env.TMPDIR
        else process.env.TMPDIR = before
      }
    })
  },
)
