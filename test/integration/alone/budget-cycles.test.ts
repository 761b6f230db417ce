import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { descriptorsOf } from '../../support/proc.js'
import { eventually, testScope } from '../../support/scope.js'
import { freePort, LOOPBACK, startServer } from '../../support/sockets.js'
import { listening, portIn, startTidegate } from '../../support/tidegate.js'
import { describeWith } from '../../support/tools.js'

const CLIENTS = 1000
const AT_A_TIME = 50
const RELOADS = 20

/** Resolves when it is turned away, or has left. */
const visit = (port: number): Promise<void> =>
  new Promise((done) => {
    const socket = connect(port, LOOPBACK).on('error', () => {})
    socket.once('data', () => socket.end())
    socket.once('close', () => done())
    socket.write('?')
  })

describeWith(['prlimit'], 'descriptors that were used for something that failed', () => {
  it('are free again after a thousand clients of upstreams that refuse, and listeners and upstreams that came and went', async () => {
    const ends = testScope()
    const echo = await startServer(ends, (socket) => socket.pipe(socket))
    const file = join(ends.tempDir(), 'tidegate.json')
    const refuses = await freePort()
    const upstreams = {
      refuses: { endpoints: [`${LOOPBACK}:${refuses}`], pool: { mode: 'prewarm', min: 3, max: 9 } },
      // An address that nobody can be reached at from this one: the kernel refuses at once.
      unroutable: { endpoints: ['255.255.255.255:9'] },
      answers: { endpoints: [`${LOOPBACK}:${echo.port}`] },
    }
    const listeners = Object.keys(upstreams).map((name) => ({
      name,
      listen: `${LOOPBACK}:0`,
      upstream: name,
    }))
    const small = { listeners, upstreams }
    const large = {
      listeners: [...listeners, { name: 'more', listen: `${LOOPBACK}:0`, upstream: 'more' }],
      upstreams: {
        ...upstreams,
        more: { endpoints: [`${LOOPBACK}:${echo.port}`], pool: { mode: 'prewarm', min: 6, max: 9 } },
      },
    }
    writeFileSync(file, JSON.stringify(small))
    const gateway = startTidegate(ends, ['serve', file])
    const { pid } = gateway.daemon
    const addresses = await listening(gateway, listeners.length)
    const ports = listeners.map(({ name }) => portIn(addresses.get(name) ?? ''))
    const play = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += AT_A_TIME)
        await Promise.all(
          Array.from({ length: AT_A_TIME }, (_, each) => visit(ports[each % ports.length] ?? 0)),
        )
    }
    let reloads = 0
    const reload = async (config: object): Promise<void> => {
      writeFileSync(file, JSON.stringify(config))
      gateway.daemon.child.kill('SIGHUP')
      await gateway.lines('a reload', ({ msg }) => msg === 'config reloaded', ++reloads)
    }
    // What is kept for later, pipes and threads, is there afterwards.
    await play(2 * AT_A_TIME)
    await reload(large)
    await reload(small)
    const isUnused = (): boolean => echo.sockets.size === 0
    await eventually('the connections of what is gone to be closed', isUnused)
    const base = descriptorsOf(pid)
    const isBack = (): boolean => descriptorsOf(pid) <= base

    await play(CLIENTS)
    await eventually(`no more than ${base} descriptors after the clients`, isBack)
    for (let n = 0; n < RELOADS; n++) {
      await reload(large)
      await reload(small)
    }
    await eventually('no connection to be left', isUnused)
    await eventually(`no more than ${base} descriptors after the reloads`, isBack)
    expect(JSON.stringify(gateway.log)).not.toContain('EMFILE')
    expect(await gateway.finish()).toBe(0)
  }, 90_000)
})
