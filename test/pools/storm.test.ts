/** Everything at once, over real sockets: many users, two pools in shared slots, and servers that hang up whenever they like. */

import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ConnectionPool } from '../../src/pools/connection-pool.js'
import { ResourcePool } from '../../src/pools/resource-pool.js'
import { run } from '../support/processes.js'
import { eventually, testScope } from '../support/scope.js'
import { LOOPBACK, startServer } from '../support/sockets.js'

const SLOTS = 10
const USERS = 500
const ROUNDS = 6

/** Park and Miller's generator: the same storm each time. */
const dice = (seed: number) => {
  let state = seed
  return (sides: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % sides
  }
}

/** Answers, hangs up before or after the answer, or leaves the connection idle and hangs up then. */
const moody =
  (roll: (sides: number) => number) =>
  (socket: Socket): void => {
    socket.on('data', (chunk) => {
      const mood = roll(20)
      if (mood === 0) socket.resetAndDestroy()
      else if (mood === 1) socket.destroy()
      else if (mood === 2) socket.end(chunk)
      else if (mood === 3) socket.write(chunk, () => setImmediate(() => socket.resetAndDestroy()))
      else socket.write(chunk)
    })
  }

const openSockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length

it.runIf(existsSync('/proc/self/fd'))(
  'never over the maximum, no answer to somebody else, nobody left waiting, no descriptor left open',
  async () => {
    const scope = testScope()
    const roll = dice(20_261_125)
    const servers = [await startServer(scope, moody(roll)), await startServer(scope, moody(roll))]
    const before = openSockets()
    const slots = new ResourcePool({ max: SLOTS })
    const pools = servers.map(
      ({ port }) =>
        new ConnectionPool({
          address: `${LOOPBACK}:${port}`,
          slots,
          max: 8,
          min: 1,
          maxUses: 50,
          acquireTimeoutMs: 60_000,
        }),
    )
    let peak = 0
    let open = 0
    for (const pool of pools) {
      pool.on('connected', (socket) => {
        peak = Math.max(peak, ++open)
        socket.once('close', () => open--)
      })
    }
    const ask = (socket: Socket, text: string): Promise<string> =>
      new Promise((resolve) => {
        let answer = ''
        socket.on('close', () => resolve('lost'))
        socket.on('end', () => resolve(answer.length === text.length ? answer : 'lost'))
        socket.on('data', (chunk) => {
          answer += chunk
          if (answer.length >= text.length) resolve(answer)
        })
        socket.write(text)
      })
    const outcomes = { answered: 0, lost: 0 }
    await Promise.all(
      Array.from({ length: USERS }, async (_, user) => {
        for (let round = 0; round < ROUNDS; round++) {
          const text = `user ${user} round ${round}.`
          await using conn = await pools[(user + round) % 2]!.acquire()
          const answer = await ask(conn.socket, text)
          if (answer === 'lost') outcomes.lost++
          else {
            expect(answer).toBe(text)
            outcomes.answered++
          }
        }
      }),
    )
    expect(outcomes.answered + outcomes.lost).toBe(USERS * ROUNDS)
    // What the server hung up on instead of answering, one in ten, and nothing else: no idle connection that was dead.
    expect(outcomes.lost).toBeLessThan(USERS * ROUNDS * 0.15)
    expect(peak).toBeLessThanOrEqual(SLOTS)
    expect(slots.metrics()).toMatchObject({ inUse: 0, waiting: 0 })
    await Promise.all(pools.map((pool) => pool.drain()))
    await eventually('every slot to be free', () => slots.metrics().unused + slots.metrics().releasing === 0)
    for (const { sockets } of servers) for (const socket of sockets) socket.destroy()
    await eventually('every descriptor to be closed', () => openSockets() <= before)
  },
  60_000,
)

it('a program whose pool has only idle connections ends by itself', async () => {
  const server = await startServer(testScope(), (socket) => void socket.pipe(socket))
  const program = join(import.meta.dirname, '../support/programs/pooling.mjs')
  const { code, stdout } = await run(process.execPath, [program, String(server.port)], { timeoutMs: 15_000 })
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'hello\n' })
})
