import { execFileSync } from 'node:child_process'
import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import type { Conn, ThreadedEngine } from '../../../src/ports/engine.js'
import { Scene } from '../../../src/testing/engine/scene.js'
import { until, untilStill } from '../../../src/testing/wait.js'
import { canUseUpDescriptors, useUpDescriptors, whyNotUsedUp } from '../used-up.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const LOOPBACK = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

/** What is open now, by descriptor. */
const descriptors = (): Map<string, string> => {
  const open = new Map<string, string>()
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      open.set(fd, readlinkSync(`/proc/self/fd/${fd}`))
    } catch {
      // The one that listed the directory.
    }
  }
  return open
}

const pipesOpen = (): number => [...descriptors().values()].filter((what) => what.startsWith('pipe:')).length

const flagsOf = (fd: string): number =>
  Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8)

const withScene = async (play: (scene: Scene, engine: ThreadedEngine) => Promise<void>): Promise<void> => {
  const engine = createLinuxEngine()
  const scene = new Scene(engine)
  try {
    await play(scene, engine)
  } finally {
    await scene.close()
  }
}

const fillPastSplicing = async (scene: Scene, observer: Parameters<Scene['relay']>[0]): Promise<void> => {
  const { client, server, link } = await scene.relay(observer)
  client.stall()
  server.socket.write(Buffer.alloc(64 * 1024 * 1024))
  await untilStill(() => link.totals.downstream, 200, 'the client takes no more')
}

describe.skipIf(!isLinux)(`the descriptors of the linux engine${onLinux}`, () => {
  it('are all close-on-exec, and none of them blocks', () =>
    withScene(async (scene) => {
      const before = descriptors()
      await fillPastSplicing(scene, {})
      const made = [...descriptors()].filter(([fd, what]) => !before.has(fd) && /^(socket|pipe):/.test(what))
      expect(made.filter(([, what]) => what.startsWith('pipe:'))).toHaveLength(2)
      for (const [fd, what] of made) {
        expect(flagsOf(fd) & O_CLOEXEC, `${what} is close-on-exec`).toBe(O_CLOEXEC)
        expect(flagsOf(fd) & O_NONBLOCK, `${what} does not block`).toBe(O_NONBLOCK)
      }
      const epolls = [...descriptors()].filter(([, what]) => what === 'anon_inode:[eventpoll]')
      for (const [fd] of epolls) expect(flagsOf(fd) & O_CLOEXEC).toBe(O_CLOEXEC)
    }))

  it('are not passed on to a child: listeners, shared ones too, what was accepted, dialled and adopted', () =>
    withScene(async (scene, engine) => {
      const before = descriptors()
      const listener = await engine.bind({ address: LOOPBACK })
      const accepted: Conn[] = []
      engine.accept(listener, (conn) => accepted.push(conn))
      const dialled = await scene.dial(listener.address)
      await until(() => accepted.length === 1, 'the dial is accepted')
      engine.adopt(new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() }))
      await fillPastSplicing(scene, {})
      const made = [...descriptors()].filter(([fd, what]) => !before.has(fd) && /^(socket|pipe):/.test(what))
      // Two of the listener, both ends of the dial, the socket pair, and what the relay needs.
      expect(made.length).toBeGreaterThanOrEqual(6 + 6)
      for (const [fd, what] of made) expect(flagsOf(fd) & O_CLOEXEC, what).toBe(O_CLOEXEC)
      const inChild = execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' })
      expect(made.filter(([, what]) => inChild.includes(what))).toEqual([])
      expect(inChild).not.toContain('eventpoll')
      dialled.destroy()
    }))

  it('hold no pipe for bytes that an observer reads', () =>
    withScene(async (scene) => {
      const before = pipesOpen()
      await fillPastSplicing(scene, { onData: () => {} })
      expect(pipesOpen()).toBe(before)
    }))

  it('leave those who wait at a paused listener in the kernel', () =>
    withScene(async (scene) => {
      const { listening } = await scene.gateway()
      listening.pause()
      const before = descriptors().size
      await scene.client(listening.address)
      // The client's own, and no other: nobody accepted it.
      expect(descriptors().size).toBe(before + 1)
    }))

  it('are all closed with the engine, its epoll set and spare pipes too', async () => {
    const before = [...descriptors().values()].filter((what) => /eventpoll|pipe:|socket:/.test(what)).length
    await withScene((scene) => fillPastSplicing(scene, {}))
    await until(
      () =>
        [...descriptors().values()].filter((what) => /eventpoll|pipe:|socket:/.test(what)).length <= before,
      'every descriptor is closed',
    )
  })
})

describe.skipIf(!isLinux || !canUseUpDescriptors)(
  `a process without a descriptor left${onLinux}${whyNotUsedUp}`,
  () => {
    it('pauses accepting without spinning, and serves who waited when there are some', async () => {
      const engine = createLinuxEngine()
      const accepted: Conn[] = []
      const listening = await engine.listen({ address: LOOPBACK }, (conn) => accepted.push(conn))
      const port = listening.address.kind === 'tcp' ? listening.address.port : 0
      const clients: Socket[] = []
      const taken = useUpDescriptors(1)
      try {
        const waiting = connect({ host: '127.0.0.1', port })
        waiting.on('error', () => {})
        clients.push(waiting)
        await until(() => !waiting.connecting, 'the client is connected')
        const refusal = await new Promise<string | undefined>((resolve) =>
          engine.dial(listening.address, { timeoutMs: 1000 }, (error) => resolve(error?.errno)),
        )
        expect(refusal).toBe('EMFILE')
        // Time has to pass to see that it is not spent: half a second, of which nearly nothing is used.
        const before = process.cpuUsage()
        await new Promise((resolve) => setTimeout(resolve, 500))
        const { user, system } = process.cpuUsage(before)
        expect(user + system).toBeLessThan(150_000)
        expect(accepted).toHaveLength(0)
        expect(waiting.destroyed).toBe(false)
      } finally {
        for (const fd of taken) closeSync(fd)
      }
      await until(() => accepted.length === 1, 'who waited is accepted')
      for (const client of clients) client.destroy()
      await engine.close()
    })
  },
)
