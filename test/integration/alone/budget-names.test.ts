import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import { expect, it } from 'vitest'
import { startDaemon } from '../../support/processes.js'
import { eventually, type Scope, testScope, within } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { freePort, LOOPBACK } from '../../support/sockets.js'
import { describeWith, toolPath } from '../../support/tools.js'
import { watchDescriptors } from '../../support/watch-descriptors.js'

const DESCRIPTORS = 256
const ADDRESSES = 40
/** Of one address they fit, of all of them they do not: there is room for some 130, since each is checked, too. */
const MIN = 8
const LOWERED = 3

const PROGRAM = join(import.meta.dirname, '../../support/programs/embedding.mjs')

/** The same port on as many loopback addresses; whom they have. */
const startMany = async (scope: Scope, port: number): Promise<ReadonlyMap<string, ReadonlySet<Socket>>> => {
  const byHost = new Map<string, Set<Socket>>()
  for (let n = 1; n <= ADDRESSES; n++) {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => {}).once('close', () => sockets.delete(socket)))
      socket.resume()
    }).listen(port, `127.0.1.${n}`)
    await once(server, 'listening')
    scope.defer(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    byHost.set(`127.0.1.${n}`, sockets)
  }
  return byHost
}

describeWith(['prlimit'], 'a pool in front of a name', () => {
  it('plans anew when the name has more addresses, keeps less ready if they do not fit, and says so with figures', async () => {
    const ends = testScope()
    const port = await freePort()
    const byHost = await startMany(ends, port)
    const counts = (): readonly number[] => [...byHost.values()].map(({ size }) => size)
    const config = {
      ...SETTING,
      listeners: [{ listen: `${LOOPBACK}:0`, upstream: 'named' }],
      upstreams: {
        named: {
          endpoints: [`many.test:${port}`],
          resolveInterval: '20ms',
          check: {},
          pool: { mode: 'prewarm', min: MIN, max: 1000, idleTimeout: '500ms' },
        },
      },
    }
    const args = [`--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, process.execPath, PROGRAM]
    const daemon = startDaemon(ends, toolPath('prlimit'), [...args, JSON.stringify(config), 'look up'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const { stdin, stdout } = daemon.child
    if (stdin === null || stdout === null) throw new Error('not piped')
    const lines: Record<string, unknown>[] = []
    createInterface({ input: stdout }).on('line', (text) => {
      const line: unknown = JSON.parse(text)
      if (typeof line === 'object') lines.push({ ...line })
    })
    const planned = (): readonly unknown[] =>
      lines.filter(({ msg }) => msg === 'descriptors planned').map(({ pools }) => pools)
    const toldPlans = (...pools: readonly number[]): Promise<unknown> =>
      eventually(`plans with ${pools} for pools`, () => isDeepStrictEqual(planned(), pools))
    const lowered = (): readonly unknown[] =>
      lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg)
    const watch = watchDescriptors(ends, daemon.pid)

    await eventually('as many as are wanted of one address', () => counts()[0] === MIN, 20_000)
    await toldPlans(MIN)
    expect(lowered()).toEqual([])

    stdin.write(`addresses ${ADDRESSES}\n`)
    const kept = (count: number): boolean => count >= LOWERED && count <= LOWERED + 1
    // One more may be there for a check.
    await eventually('as many as fit of each', () => counts().every(kept), 20_000)
    await toldPlans(MIN, ADDRESSES * LOWERED)
    await eventually('the warning', () => lowered().length > 0)
    expect(lowered()).toEqual([
      expect.stringMatching(
        /^its names have so many addresses that pool\.min is lowered from 8 to 3: of 256 descriptors 1\d\d are left for pools; raise /,
      ),
    ])

    stdin.write('addresses 1\n')
    await eventually(
      'as many as are wanted of the one',
      () => counts()[0] === MIN && counts()[1] === 0,
      20_000,
    )
    await toldPlans(MIN, ADDRESSES * LOWERED, MIN)
    await eventually('the end of it', () => lines.some(({ msg }) => msg === 'pool.min is kept again'))
    expect(watch.looks).toBeGreaterThan(100)
    expect(watch.most).toBeGreaterThan(ADDRESSES * LOWERED)
    expect(watch.most).toBeLessThanOrEqual(DESCRIPTORS - 32)
    stdin.end()
    await within(5000, 'the program to end', daemon.exited)
  }, 90_000)
})
