import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { HealthCheck } from '../../../src/control/upstreams/health-check.js'
import { createPortableEngine } from '../../../src/engine/portable/engine.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { freePort, LOOPBACK, startServer } from '../../support/sockets.js'
import { upstreamConfig } from './fake-engine.js'

const FAST = { interval: 20, timeout: 20, rise: 1, fall: 1 }
/** One check is all there will be. */
const ONCE = { interval: 60_000, timeout: 60_000 }

interface CheckInput {
  readonly interval?: number
  readonly timeout?: number
  readonly rise?: number
  readonly fall?: number
  readonly send?: string
  readonly expect?: string
}

const check = (scope: Scope, port: number, input: CheckInput = {}, version: 'v1' | null = null) => {
  const config = upstreamConfig({
    endpoints: [`${LOOPBACK}:${port}`],
    check: { ...FAST, ...input },
  }).check
  if (config === null) throw new Error('no check')
  const engine = createPortableEngine()
  const turns: string[] = []
  const started = new HealthCheck(
    {
      engine,
      address: { kind: 'tcp', host: LOOPBACK, port },
      config,
      dial: { timeoutMs: 60_000 },
      sendProxyProtocol: version,
    },
    ({ to, message }) => void turns.push(`${to}: ${message}`),
  )
  scope.defer(() => engine.close())
  scope.defer(() => started.close())
  started.start()
  return { turns, check: started, turn: (n: number) => eventually(`turn ${n}`, () => turns[n]) }
}

const answering = (reply: string) => (socket: Socket) => void socket.once('data', () => socket.write(reply))

describe('a check', () => {
  it('finds a port down on which nobody listens, and up again once somebody does', async () => {
    const scope = testScope()
    const port = await freePort()
    const { turn } = check(scope, port, { interval: 50, timeout: 50 })
    expect(await turn(0)).toBe(
      `down: endpoint down: 1 failed check: cannot connect to ${LOOPBACK}:${port}: connection refused (ECONNREFUSED)`,
    )
    const server = createServer().listen(port, LOOPBACK)
    scope.defer(() => server.close())
    await once(server, 'listening')
    expect(await turn(1)).toBe('up: endpoint up: 1 passed check')
  })

  it('passes where the reply begins as expected, in whatever pieces it comes, and leaves nothing open', async () => {
    const scope = testScope()
    let asked = ''
    const server = await startServer(scope, (socket) => {
      socket.on('data', (bytes) => {
        asked = String(bytes)
        for (const piece of ['+P', 'O', 'NG and more']) setImmediate(() => socket.write(piece))
      })
      socket.on('end', () => socket.end())
    })
    const { turns } = check(scope, server.port, { ...ONCE, send: 'PING\r\n', expect: '+PONG' })
    await eventually('it was asked, and left alone', () => asked !== '' && server.sockets.size === 0)
    expect(asked).toBe('PING\r\n')
    expect(turns).toEqual([])
  })

  it('says what came where something else was expected, as soon as that is certain', async () => {
    const scope = testScope()
    const server = await startServer(scope, answering('-E'))
    const { turn } = check(scope, server.port, { ...ONCE, send: 'PING\r\n', expect: '+PONG' })
    expect(await turn(0)).toBe(
      `down: endpoint down: 1 failed check: ${LOOPBACK}:${server.port} answered "-E" where "+PONG" was expected`,
    )
  })

  it('fails where the other side ends before it has said enough', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => void socket.resume().end('+PO'))
    const { turn } = check(scope, server.port, { ...ONCE, expect: '+PONG' })
    expect(await turn(0)).toContain('answered "+PO" where "+PONG" was expected')
  })

  it('fails where nobody answers in time', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => void socket.resume())
    const { turn } = check(scope, server.port, { interval: 100, timeout: 100, expect: '+PONG' })
    expect(await turn(0)).toMatch(
      /^down: endpoint down: 1 failed check: 127\.0\.0\.1:\d+ sent nothing within/,
    )
  })

  it('takes as many failures and passes in a row as it is told', async () => {
    const scope = testScope()
    // One good answer among bad ones counts for nothing, and the other way round.
    const plan = '+-+--+-++'
    let n = 0
    const server = await startServer(scope, (socket) => {
      socket.resume().end(plan[Math.min(n++, plan.length - 1)] ?? '')
    })
    const rules = { interval: 1000, timeout: 1000, rise: 2, fall: 2, expect: '+' }
    const seen: string[] = []
    const config = upstreamConfig({ endpoints: [`${LOOPBACK}:${server.port}`], check: rules }).check
    if (config === null) throw new Error('no check')
    const engine = createPortableEngine()
    scope.defer(() => engine.close())
    const started = new HealthCheck(
      {
        engine,
        address: { kind: 'tcp', host: LOOPBACK, port: server.port },
        // An answer may take its time on a busy machine; the next question need not.
        config: { ...config, intervalMs: 10 },
        dial: { timeoutMs: 1000 },
        sendProxyProtocol: null,
      },
      ({ message }) => void seen.push(`${n}: ${message.split(': ', 2).join(': ')}`),
    )
    scope.defer(() => started.close())
    started.start()
    await eventually('both', () => seen.length === 2)
    expect(seen).toEqual(['5: endpoint down: 2 failed checks', '9: endpoint up: 2 passed checks'])
  })

  it('begins with the PROXY header that the endpoint expects', async () => {
    const scope = testScope()
    let heard = ''
    const server = await startServer(scope, (socket) => {
      socket.on('data', (bytes) => {
        heard += String(bytes)
      })
    })
    check(scope, server.port, { ...ONCE, send: 'PING', expect: 'never' }, 'v1')
    await eventually('the request', () => heard.endsWith('PING'))
    expect(heard).toMatch(
      new RegExp(`^PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 \\d+ ${server.port}\r\nPING$`),
    )
  })

  it('ends at once when it is closed, whatever it was doing, and tells nothing more', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => {
      socket.resume().on('end', () => socket.end())
    })
    const { turns, check: started } = check(scope, server.port, { ...ONCE, expect: 'never' })
    await eventually('it has connected', () => server.sockets.size === 1)
    started.close()
    started.close()
    await eventually('it has gone', () => server.sockets.size === 0)
    expect(turns).toEqual([])
  })
})
