/** Many who come while the service starts. */

import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { testScope, within } from '../support/scope.js'
import { LOOPBACK } from '../support/sockets.js'
import { startWake } from '../support/tidegate.js'
import { notedService, startsOf, stopped } from '../support/waking.js'

const CLIENTS = 1000
const START_MS = 300

describe('a service that takes a while to start', () => {
  it(`is one process for ${CLIENTS} clients who come meanwhile, none of whom is refused or forgotten`, async () => {
    const ends = testScope()
    const service = await notedService(ends, START_MS)
    const gateway = await startWake(ends, service.port, service.command, ['--idle', '300ms'])
    const ask = async (n: number): Promise<string> => {
      const socket = connect({ port: gateway.port, host: LOOPBACK, allowHalfOpen: true })
      ends.defer(() => socket.destroy())
      socket.end(`client ${n}\n`)
      let answer = ''
      socket.on('data', (chunk) => {
        answer += String(chunk)
      })
      await once(socket, 'end')
      return answer
    }
    const answers = await within(
      30_000,
      'all answers',
      Promise.all(Array.from({ length: CLIENTS }, (_, n) => ask(n))),
    )
    const [pid] = service.pids()
    expect(service.pids()).toHaveLength(1)
    expect(answers).toEqual(Array.from({ length: CLIENTS }, (_, n) => `pid ${pid}\nclient ${n}\n`))
    const closed = await gateway.closed(CLIENTS)
    expect(new Set(closed.map(({ reason }) => reason))).toEqual(new Set(['client_fin']))
    await stopped(gateway)
    expect([startsOf(gateway), service.overlaps()]).toEqual([1, []])
    expect(await gateway.finish()).toBe(0)
    expect(gateway.log.filter(({ level }) => level !== 'info')).toEqual([])
  }, 60_000)
})
