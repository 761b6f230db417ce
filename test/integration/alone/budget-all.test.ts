import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Crowd } from '../../support/crowd.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { LOOPBACK, startServer } from '../../support/sockets.js'
import { listening, portIn, startTidegate } from '../../support/tidegate.js'
import { describeWith, toolPath } from '../../support/tools.js'
import { inheritedFrom, watchDescriptors } from '../../support/watch-descriptors.js'

const DESCRIPTORS = 256
/** Nobody looks in, and nothing that is not planned happens. */
const [RESERVE, ADMIN] = [32, 8]
const MOST_OPEN = DESCRIPTORS - RESERVE - ADMIN
const CLIENTS = 500
const SPARE = 5
const KEPT = 10
const LISTENERS = ['plain', 'spare', 'kept'] as const

const startEcho = (scope: Scope) => startServer(scope, (socket) => socket.pipe(socket))

describeWith(['prlimit'], 'a gateway that does everything at once with 256 descriptors', () => {
  it('gives up idle connections, then pauses, serves everybody in the end, and never has more open than it has planned', async () => {
    const ends = testScope()
    const echoes = await Promise.all(Array.from({ length: 5 }, () => startEcho(ends)))
    const unused = await startServer(ends, (socket) => void socket.resume().once('end', () => socket.end()))
    const [one, two, three, four, five] = echoes.map(({ port }) => `${LOOPBACK}:${port}`)
    const recording = join(ends.tempDir(), 'all.pcapng')
    const file = join(ends.tempDir(), 'tidegate.json')
    const config = {
      listeners: [...LISTENERS, 'unused'].map((name) => ({ name, listen: `${LOOPBACK}:0`, upstream: name })),
      upstreams: {
        plain: { endpoints: [one], check: { interval: '100ms' } },
        spare: {
          endpoints: [two, three],
          check: { interval: '100ms' },
          pool: { mode: 'prewarm', min: SPARE, max: 1000 },
        },
        kept: { endpoints: [four, five], pool: { mode: 'reuse', min: SPARE, max: 1000, stateless: true } },
        unused: {
          endpoints: [`${LOOPBACK}:${unused.port}`],
          pool: { mode: 'prewarm', min: KEPT, max: 1000 },
        },
      },
      record: { file: recording },
    }
    writeFileSync(file, JSON.stringify(config))
    const gateway = startTidegate(ends, ['serve', file], {
      launcher: [toolPath('prlimit'), `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`],
    })
    const addresses = await listening(gateway, LISTENERS.length + 1)
    const ports = LISTENERS.map((name) => portIn(addresses.get(name) ?? ''))
    const inherited = inheritedFrom(gateway.daemon.pid, MOST_OPEN)
    const watch = watchDescriptors(ends, gateway.daemon.pid)
    const [plan] = await gateway.lines('the plan', ({ msg }) => msg === 'descriptors planned')
    expect(plan).toMatchObject({ limit: DESCRIPTORS, pools: 4 * SPARE + KEPT })
    await eventually('connections dialled ahead', () => unused.sockets.size === KEPT)

    const crowd = new Crowd(ends, ports, CLIENTS, true)
    const clients = Number(plan?.clients)
    await eventually('more clients than planned', () => crowd.served.length > clients)
    await eventually('no idle connection to be left', () => unused.sockets.size === 0)
    // Nobody has left: the others wait.
    expect(crowd.served.length).toBeLessThan(CLIENTS)
    const room = (DESCRIPTORS - RESERVE) / 2
    expect(crowd.served.length).toBeLessThan(room)

    await crowd.disperse()
    expect({ served: crowd.served.length, turnedAway: crowd.turnedAway }).toEqual({
      served: CLIENTS,
      turnedAway: 0,
    })
    await eventually('the connections dialled ahead again', () => unused.sockets.size === KEPT)
    expect(await gateway.finish()).toBe(0)
    expect(watch.most).toBeGreaterThan(DESCRIPTORS / 2)
    expect(watch.most).toBeLessThanOrEqual(MOST_OPEN + inherited)
    expect(watch.looks).toBeGreaterThan(100)
    expect(JSON.stringify(gateway.log)).not.toMatch(/EMFILE|descriptor is left/)
    expect(gateway.log.filter(({ level }) => level !== 'info')).toEqual([])
    expect(existsSync(recording)).toBe(true)
  }, 90_000)
})
