import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { Crowd } from '../../support/crowd.js'
import { expectIdling } from '../../support/idling.js'
import { startDaemon } from '../../support/processes.js'
import { eventually, type Scope, testScope, within } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { LOOPBACK, startServer } from '../../support/sockets.js'
import { listening, portIn, startTidegate, tidegate } from '../../support/tidegate.js'
import { describeWith, toolPath } from '../../support/tools.js'
import { inheritedFrom, watchDescriptors } from '../../support/watch-descriptors.js'

const DESCRIPTORS = 256
const CLIENTS = 400
const SPARE = 20
const KEPT = 10
/** With so many there is room for some 40 clients. */
const MANY = 100

const PROGRAM = join(import.meta.dirname, '../../support/programs/embedding.mjs')

const isPortable = SETTING.engine === 'portable'

const LAUNCHER = (): readonly string[] => [toolPath('prlimit'), `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`]

/** Nobody looks in, and nothing that is not planned happens. */
const [RESERVE, ADMIN] = [32, 8]
const MOST_OPEN = DESCRIPTORS - RESERVE - ADMIN

/** An upstream that is used and one that nobody uses, both with connections dialled ahead. */
const configOf = (port: number, otherPort: number, [min, otherMin] = [SPARE, KEPT]): object => ({
  listeners: [
    { name: 'busy', listen: `${LOOPBACK}:0`, upstream: 'busy' },
    { name: 'idle', listen: `${LOOPBACK}:0`, upstream: 'idle' },
  ],
  upstreams: {
    busy: {
      endpoints: [`${LOOPBACK}:${port}`],
      pool: { mode: 'prewarm', min, max: 1000 },
    },
    idle: {
      endpoints: [`${LOOPBACK}:${otherPort}`],
      pool: { mode: 'reuse', min: otherMin, max: 1000, stateless: true },
    },
  },
})

const fileOf = (scope: Scope, config: object): string => {
  const file = join(scope.tempDir(), 'tidegate.json')
  writeFileSync(file, JSON.stringify(config))
  return file
}

describeWith(['prlimit'], `a gateway with pools that may open ${DESCRIPTORS} descriptors`, () => {
  it('gives up idle connections for its clients, never opens more than it has planned, and has them back later', async () => {
    const ends = testScope()
    const spoken = new Set<Socket>()
    const echo = await startServer(ends, (socket) => {
      socket.on('data', () => spoken.add(socket))
      socket.pipe(socket)
    })
    const other = await startServer(ends, (socket) => void socket.resume().once('end', () => socket.end()))
    const silent = (): number => [...echo.sockets].filter((socket) => !spoken.has(socket)).length
    const hasSpares = (): boolean => silent() === SPARE && other.sockets.size === KEPT

    const gateway = startTidegate(ends, ['serve', fileOf(ends, configOf(echo.port, other.port))], {
      launcher: LAUNCHER(),
    })
    const port = portIn((await listening(gateway, 2)).get('busy') ?? '')
    const inherited = inheritedFrom(gateway.daemon.pid, MOST_OPEN)
    const watch = watchDescriptors(ends, gateway.daemon.pid)
    const [plan] = await gateway.lines('the plan', ({ msg }) => msg === 'descriptors planned')
    expect(plan).toMatchObject({ limit: DESCRIPTORS, pools: SPARE + KEPT })
    const clients = Number(plan?.clients)
    await eventually('connections dialled ahead', hasSpares)

    const crowd = new Crowd(ends, [port], CLIENTS)
    // What was the pools' is theirs.
    await eventually('more clients than planned', () => crowd.served.length > clients + KEPT / 2)
    await eventually('no idle connection to be left', () => silent() === 0 && other.sockets.size === 0)
    await expectIdling(gateway.daemon.pid, 'while it is full')
    expect(other.sockets.size + silent()).toBe(0)

    await crowd.disperse()
    // The portable engine cannot leave them in the backlog.
    if (!isPortable) expect(crowd.turnedAway).toBe(0)
    await eventually('the connections dialled ahead again', hasSpares)
    for (const { reason } of await gateway.closed(crowd.served.length)) expect(reason).toBe('client_fin')
    expect(watch.most).toBeLessThanOrEqual(MOST_OPEN + inherited)
    // Otherwise there was no limit to be kept.
    expect(watch.most).toBeGreaterThan(DESCRIPTORS / 2)
    expect(await gateway.finish()).toBe(0)
    expect(JSON.stringify(gateway.log)).not.toContain('EMFILE')
    expect(gateway.log.filter(({ level }) => level !== 'info')).toEqual([])
    expect(gateway.noise).toEqual([])
  }, 90_000)

  it('gives up those of the thread that serves, whichever thread accepts', async () => {
    const ends = testScope()
    const echo = await startServer(ends, (socket) => socket.pipe(socket))
    const other = await startServer(ends, (socket) => void socket.resume().once('end', () => socket.end()))
    const config = { ...SETTING, ...configOf(echo.port, other.port, [1, MANY]) }
    const [launcher = '', ...args] = LAUNCHER()
    const program = [process.execPath, PROGRAM, JSON.stringify(config), 'watch bytes']
    const daemon = startDaemon(ends, launcher, [...args, ...program], { stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdin, stdout } = daemon.child
    if (stdin === null || stdout === null) throw new Error('not piped')
    const [port] = await within(20_000, 'the port', once(createInterface({ input: stdout }), 'line'))
    await eventually('connections dialled ahead', () => other.sockets.size === MANY)
    const inherited = inheritedFrom(daemon.pid, MOST_OPEN)
    const watch = watchDescriptors(ends, daemon.pid)

    const crowd = new Crowd(ends, [Number(port)], CLIENTS)
    await eventually('as many as there is room for without them', () => crowd.served.length >= 60)
    await eventually('no idle connection to be left', () => other.sockets.size === 0)
    await crowd.disperse()
    if (!isPortable) expect(crowd.turnedAway).toBe(0)
    await eventually('the connections dialled ahead again', () => other.sockets.size === MANY)
    expect(watch.most).toBeLessThanOrEqual(MOST_OPEN + inherited)
    stdin.end()
    await within(5000, 'the program to end', daemon.exited)
  }, 90_000)

  it('refuses to start, with figures, if not one client fits beside what the pools keep ready', async () => {
    const ends = testScope()
    const file = fileOf(ends, configOf(1, 2, [200, KEPT]))
    const shown =
      /: 256 descriptors may be open, but at least \d+ are needed: \d+ reserved \(24 process, .*32 reserve\), 210 for pools \(pool\.min of each endpoint\), 2 for a client; raise the limit \(ulimit -n\) or lower pool\.min\n$/
    for (const command of ['serve', 'check']) {
      const { code, stderr, stdout } = await tidegate([command, file], { launcher: LAUNCHER() })
      expect({ code, stdout }).toEqual({ code: 2, stdout: Buffer.alloc(0) })
      expect(stderr).toMatch(shown)
      expect(stderr.trim().split('\n')).toHaveLength(1)
    }
  })
})
