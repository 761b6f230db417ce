/** Dialling: one outcome, in time, or none at all after `cancel`. */

import assert from 'node:assert/strict'
import { TidegateError } from '../../../errors.js'
import { deferred, until, within } from '../../wait.js'
import { blackHole } from '../black-hole.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { LOOPBACK } from '../scene.js'
import { hasIpv6, hasKeepAliveTimer, hasUnixSockets, openSockets } from '../system.js'

/** Windows answers a SYN to a full queue with RST. */
const DROPS_SYN = process.platform !== 'win32'

const notHere = (why: string): string => ` (not checked here: ${why})`

export const dialCases: readonly CaseTemplate[] = [
  engineCase('a dial gives a connection with the addresses of both ends', async (scene) => {
    const upstream = await scene.upstream()
    const conn = await scene.dial(upstream.address)
    const server = await upstream.accepted()
    assert.deepEqual(conn.remote, upstream.address)
    assert.deepEqual(conn.local, { kind: 'tcp', host: '127.0.0.1', port: server.socket.remotePort })
    assert.equal(conn.isIdleAndAlive(), true)
  }),

  engineCase('an empty host means this machine, and a name is looked up', async (scene) => {
    const upstream = await scene.upstream()
    assert.equal(upstream.address.kind, 'tcp')
    const port = upstream.address.kind === 'tcp' ? upstream.address.port : 0
    for (const host of ['', 'localhost']) {
      await scene.dial({ kind: 'tcp', host, port })
      await upstream.accepted()
    }
  }),

  engineCase('done is not called before dial returns, even when it fails at once', async (scene) => {
    const order: string[] = []
    const over = deferred<void>()
    scene.engine.dial({ kind: 'tcp', host: '127.0.0.1', port: 70_000 }, { timeoutMs: 1000 }, (error) => {
      order.push(error?.code ?? 'connected')
      over.resolve()
    })
    order.push('returned')
    await within(over.promise, 'the dial is over')
    assert.deepEqual(order, ['returned', 'dial_failed'])
  }),

  engineCase('a closed port is connection_refused, in one line, and worth trying again', async (scene) => {
    const upstream = await scene.upstream()
    upstream.close()
    const { error } = await scene.dialled(upstream.address)
    assert.ok(error instanceof TidegateError)
    assert.equal(error.code, 'connection_refused')
    assert.equal(error.fault, 'peer')
    assert.equal(error.retryable, true)
    assert.equal(error.errno, 'ECONNREFUSED')
    assert.match(error.message, /^cannot connect to 127\.0\.0\.1:\d+: connection refused \(ECONNREFUSED\)$/)
  }),

  engineCase('a name that does not exist is name_not_found', async (scene) => {
    // An empty label cannot be asked for, so no name server hears of it.
    const { error } = await scene.dialled({ kind: 'tcp', host: 'no..such..name', port: 1 })
    assert.equal(error?.code, 'name_not_found')
    assert.match(
      error?.message ?? '',
      /^cannot connect to no\.\.such\.\.name:1: the name does not exist \(ENOTFOUND\)$/,
    )
  }),

  engineCase(
    `a connect that is not answered ends with dial_timeout${DROPS_SYN ? '' : notHere('the system refuses instead')}`,
    async (scene) => {
      if (!DROPS_SYN) return
      const address = await blackHole(scene)
      const since = performance.now()
      const { error } = await scene.dialled(address, { timeoutMs: 150 })
      assert.equal(error?.code, 'dial_timeout')
      assert.equal(error?.fault, 'peer')
      assert.equal(error?.retryable, true)
      assert.ok(performance.now() - since >= 148)
    },
  ),

  engineCase(
    `a client that leaves mid-dial is told by watch, and cancel ends the dial without a word${
      DROPS_SYN ? '' : notHere('the system refuses instead')
    }`,
    async (scene) => {
      if (!DROPS_SYN) return
      const address = await blackHole(scene)
      const gateway = await scene.gateway()
      for (const how of ['fin', 'reset'] as const) {
        const client = await scene.client(gateway.listening.address)
        const clientConn = await gateway.accepted()
        const before = openSockets()
        let calls = 0
        const dial = scene.engine.dial(address, { timeoutMs: 300 }, () => calls++)
        const left = deferred<string>()
        clientConn.watch((leave) => {
          dial.cancel()
          left.resolve(leave)
        })
        if (how === 'fin') client.socket.end()
        else client.socket.resetAndDestroy()
        assert.equal(await within(left.promise, 'the client is seen leaving'), how)
        // A dial started after it, with the same patience, has failed by now: the first one would have, too.
        assert.equal((await scene.dialled(address, { timeoutMs: 300 })).error?.code, 'dial_timeout')
        assert.equal(calls, 0)
        clientConn.destroy()
        if (before !== null) await until(() => (openSockets() ?? 0) <= before, 'the dial left no socket')
      }
    },
  ),

  engineCase(
    'a dial cancelled at once, or at its very end, calls nobody and leaves nothing',
    async (scene) => {
      const upstream = await scene.upstream()
      const before = openSockets()
      let calls = 0
      for (const host of ['127.0.0.1', 'localhost']) {
        const port = upstream.address.kind === 'tcp' ? upstream.address.port : 0
        scene.engine.dial({ kind: 'tcp', host, port }, { timeoutMs: 5000 }, () => calls++).cancel()
        const dial = scene.engine.dial({ kind: 'tcp', host, port }, { timeoutMs: 5000 }, () => calls++)
        process.nextTick(() => dial.cancel())
      }
      const conn = await scene.dial(upstream.address)
      conn.destroy()
      assert.equal(calls, 0)
      upstream.close()
      if (before !== null) await until(() => (openSockets() ?? 0) <= before, 'no socket is left')
    },
  ),

  engineCase('a cancel after done is harmless', async (scene) => {
    const upstream = await scene.upstream()
    const connected = deferred<void>()
    const dial = scene.engine.dial(upstream.address, { timeoutMs: 5000 }, (_, conn) => {
      dial.cancel()
      void conn?.write(new TextEncoder().encode('x'))
      connected.resolve()
    })
    await within(connected.promise, 'the dial is over')
    await (await upstream.accepted()).has('x')
  }),

  engineCase(
    'keep-alive and no-delay can be set on a dialled connection, and are armed in the kernel where it can be seen',
    async (scene) => {
      const upstream = await scene.upstream()
      const conn = await scene.dial(upstream.address, {
        timeoutMs: 5000,
        noDelay: false,
        keepAliveMs: 60_000,
      })
      await upstream.accepted()
      assert.ok(conn.local.kind === 'tcp' && conn.remote.kind === 'tcp')
      assert.notEqual(hasKeepAliveTimer(conn.local.port, conn.remote.port), false)
    },
  ),

  engineCase(
    `an IPv6 upstream is reached${hasIpv6() ? '' : notHere('this machine has no ::1')}`,
    async (scene) => {
      if (!hasIpv6()) return
      const upstream = await scene.upstream({ kind: 'tcp', host: '::1', port: 0 })
      const conn = await scene.dial(upstream.address)
      assert.deepEqual(conn.remote, upstream.address)
    },
  ),

  engineCase(
    `a unix-socket upstream is reached, and one that is missing is refused${
      hasUnixSockets() ? '' : notHere('no unix sockets on this system')
    }`,
    async (scene) => {
      if (!hasUnixSockets()) return
      const path = await scene.socketPath()
      const upstream = await scene.upstream({ kind: 'unix', path })
      const relay = await scene.dial(upstream.address)
      assert.deepEqual(relay.remote, { kind: 'unix', path })
      assert.deepEqual(relay.local, { kind: 'unix', path: '' })
      const { error } = await scene.dialled({ kind: 'unix', path: `${path}-missing` })
      assert.equal(error?.code, 'connection_refused')
      assert.match(
        error?.message ?? '',
        /^cannot connect to unix:.*-missing: there is no such socket \(ENOENT\)$/,
      )
    },
  ),

  engineCase('a callback that throws harms nobody', async (scene) => {
    const upstream = await scene.upstream()
    scene.engine.dial(upstream.address, { timeoutMs: 5000 }, () => {
      throw new Error('from the callback')
    })
    const server = await upstream.accepted()
    await server.wasLeft()
    const gateway = await scene.gateway({ address: LOOPBACK })
    await scene.client(gateway.listening.address)
    await gateway.accepted()
  }),
]
