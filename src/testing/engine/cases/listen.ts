/** Listening: addresses, what is in the way of them, pause, close. */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { Address } from '../../../core/address.js'
import { TidegateError } from '../../../errors.js'
import type { Conn } from '../../../ports/engine.js'
import { until, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { LOOPBACK, NO_LIMITS, type Scene } from '../scene.js'
import { leaveStaleSocket } from '../stale-socket.js'
import { hasIpv6, hasKeepAliveTimer, hasUnixSockets } from '../system.js'

const notHere = (why: string): string => ` (not checked here: ${why})`
const ipv6 = hasIpv6() ? '' : notHere('this machine has no ::1')
const unix = hasUnixSockets() ? '' : notHere('no unix sockets on this system')

const portOf = (address: Address): number => (address.kind === 'tcp' ? address.port : 0)

const refusal = async (scene: Scene, address: Address): Promise<TidegateError> => {
  const error: unknown = await scene.engine
    .listen({ address }, () => {})
    .then(
      () => null,
      (thrown: unknown) => thrown,
    )
  assert.ok(error instanceof TidegateError, 'listen rejects')
  return error
}

export const listenCases: readonly CaseTemplate[] = [
  engineCase('port 0 becomes a real port, and the client is known by its address', async (scene) => {
    const gateway = await scene.gateway()
    const { address } = gateway.listening
    assert.ok(address.kind === 'tcp' && address.port > 0)
    const client = await scene.client(address)
    const conn = await gateway.accepted()
    assert.deepEqual(conn.local, address)
    assert.deepEqual(conn.remote, { kind: 'tcp', host: '127.0.0.1', port: client.socket.localPort })
  }),

  engineCase('a taken port is address_in_use, in one line', async (scene) => {
    const { listening } = await scene.gateway()
    const error = await refusal(scene, listening.address)
    assert.equal(error.code, 'address_in_use')
    assert.match(
      error.message,
      /^cannot listen on 127\.0\.0\.1:\d+: the address is already in use \(EADDRINUSE\)$/,
    )
  }),

  engineCase('an address of another machine is listen_failed', async (scene) => {
    // 192.0.2.0/24 is for documentation (RFC 5737): nobody has it.
    const error = await refusal(scene, { kind: 'tcp', host: '192.0.2.1', port: 0 })
    assert.equal(error.code, 'listen_failed')
    assert.match(error.message, /^cannot listen on 192\.0\.2\.1:0: .+\(EADDRNOTAVAIL\)$/)
  }),

  engineCase('a name that does not exist is name_not_found', async (scene) => {
    const error = await refusal(scene, { kind: 'tcp', host: 'no..such..name', port: 0 })
    assert.equal(error.code, 'name_not_found')
  }),

  engineCase(`an IPv6 listener serves IPv6 clients${ipv6}`, async (scene) => {
    if (!hasIpv6()) return
    const { client, server, clientConn } = await scene.relay({}, NO_LIMITS, {
      gateway: { kind: 'tcp', host: '::1', port: 0 },
    })
    client.socket.write('six')
    await server.has('six')
    assert.equal(clientConn.remote.kind === 'tcp' && clientConn.remote.host, '::1')
  }),

  engineCase(
    `a listener without a host serves IPv4 and IPv6, and IPv4 clients keep their address${ipv6}`,
    async (scene) => {
      const gateway = await scene.gateway({ address: { kind: 'tcp', host: '', port: 0 } })
      const port = portOf(gateway.listening.address)
      for (const host of hasIpv6() ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
        await scene.client({ kind: 'tcp', host, port })
        const conn = await gateway.accepted()
        assert.equal(conn.remote.kind === 'tcp' && conn.remote.host, host)
      }
    },
  ),

  engineCase(`ipv6Only keeps IPv4 clients out${ipv6}`, async (scene) => {
    if (!hasIpv6()) return
    const gateway = await scene.gateway({ address: { kind: 'tcp', host: '::', port: 0 }, ipv6Only: true })
    const port = portOf(gateway.listening.address)
    await scene.client({ kind: 'tcp', host: '::1', port })
    await gateway.accepted()
    await assert.rejects(scene.client({ kind: 'tcp', host: '127.0.0.1', port }), /ECONNREFUSED/)
  }),

  engineCase(
    `a unix-socket listener relays to a unix-socket upstream, half-closes included${unix}`,
    async (scene) => {
      if (!hasUnixSockets()) return
      const gateway: Address = { kind: 'unix', path: await scene.socketPath() }
      const upstream: Address = { kind: 'unix', path: await scene.socketPath() }
      const { client, server, clientConn, ended } = await scene.relay({}, NO_LIMITS, { gateway, upstream })
      assert.deepEqual(clientConn.local, gateway)
      assert.deepEqual(clientConn.remote, { kind: 'unix', path: '' })
      client.socket.end('question')
      await server.sawEnd()
      server.socket.end('answer')
      await client.sawEnd()
      assert.equal(client.text, 'answer')
      assert.equal((await within(ended, 'the link ends')).reason, 'client_fin')
    },
  ),

  engineCase(`closing a unix-socket listener removes its path${unix}`, async (scene) => {
    if (!hasUnixSockets()) return
    const path = await scene.socketPath()
    const { listening } = await scene.gateway({ address: { kind: 'unix', path } })
    assert.equal(existsSync(path), true)
    await listening.close()
    assert.equal(existsSync(path), false)
    await scene.gateway({ address: { kind: 'unix', path } })
  }),

  engineCase(`a unix socket that a dead process left behind is taken over${unix}`, async (scene) => {
    if (!hasUnixSockets()) return
    const path = await scene.socketPath()
    await leaveStaleSocket(path)
    assert.equal(existsSync(path), true)
    const gateway = await scene.gateway({ address: { kind: 'unix', path } })
    await scene.client({ kind: 'unix', path })
    await gateway.accepted()
  }),

  engineCase(
    `a unix socket that somebody listens on is address_in_use, and stays his${unix}`,
    async (scene) => {
      if (!hasUnixSockets()) return
      const path = await scene.socketPath()
      const owner = await scene.upstream({ kind: 'unix', path })
      assert.equal((await refusal(scene, owner.address)).code, 'address_in_use')
      await scene.client(owner.address)
    },
  ),

  engineCase(`a file that is no socket is address_in_use, and stays${unix}`, async (scene) => {
    if (!hasUnixSockets()) return
    const path = await scene.socketPath()
    await writeFile(path, 'precious')
    assert.equal((await refusal(scene, { kind: 'unix', path })).code, 'address_in_use')
    assert.equal(existsSync(path), true)
  }),

  engineCase(
    'a closed listener refuses, its connections live on, and its port is free at once',
    async (scene) => {
      const upstream = await scene.upstream()
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      scene.link(await gateway.accepted(), await scene.dial(upstream.address))
      const server = await upstream.accepted()
      await within(gateway.listening.close(), 'the listener closes')
      await gateway.listening.close()
      await assert.rejects(scene.client(gateway.listening.address), /ECONNREFUSED/)
      client.socket.write('alive')
      await server.has('alive')
      const again = await scene.gateway({ address: gateway.listening.address })
      assert.deepEqual(again.listening.address, gateway.listening.address)
      await scene.client(gateway.listening.address)
      await again.accepted()
    },
  ),

  engineCase(
    'a paused listener hands out nobody; resumed, all of them, with what they said, in order',
    async (scene) => {
      const accepted: Conn[] = []
      const listening = await scene.engine.listen({ address: LOOPBACK }, (conn) => accepted.push(conn))
      listening.pause()
      listening.pause()
      const clients = []
      for (const name of ['first', 'second', 'third']) {
        const client = await scene.client(listening.address)
        client.socket.write(name)
        clients.push(client)
      }
      // Another listener accepts meanwhile: the engine has had its chance.
      const other = await scene.gateway()
      await scene.client(other.listening.address)
      await other.accepted()
      assert.equal(accepted.length, 0)
      listening.resume()
      await until(() => accepted.length === 3, 'all are handed out')
      assert.deepEqual(
        accepted.map((conn) => portOf(conn.remote)),
        clients.map((client) => client.socket.localPort),
      )
      for (const [i, name] of ['first', 'second', 'third'].entries()) {
        assert.equal(new TextDecoder().decode(await accepted[i]?.read(100, 5000)), name)
      }
      await scene.client(listening.address)
      await until(() => accepted.length === 4, 'it goes on accepting')
    },
  ),

  engineCase('a listener closed while paused resets those who wait', async (scene) => {
    const listening = await scene.engine.listen({ address: LOOPBACK }, () => assert.fail('handed out'))
    listening.pause()
    const client = await scene.client(listening.address)
    await listening.close()
    assert.match((await client.closed()) ?? '', /^ECONNRESET$/)
  }),

  engineCase('a callback may pause, close, or throw: only that client is lost', async (scene) => {
    let seen = 0
    const listening = await scene.engine.listen({ address: LOOPBACK }, (conn) => {
      seen++
      if (seen === 1) throw new Error('from onAccept')
      if (seen === 2) listening.pause()
      else {
        void listening.close()
        conn.end()
      }
    })
    const first = await scene.client(listening.address)
    await first.wasLeft()
    await scene.client(listening.address)
    await until(() => seen === 2, 'the second is handed out')
    const third = await scene.client(listening.address)
    listening.resume()
    await third.sawEnd()
    assert.equal(seen, 3)
  }),

  engineCase(
    'keep-alive and no-delay can be set on accepted connections, and are armed in the kernel where it can be seen',
    async (scene) => {
      const gateway = await scene.gateway({ address: LOOPBACK, noDelay: false, keepAliveMs: 60_000 })
      const client = await scene.client(gateway.listening.address)
      await gateway.accepted()
      const armed = hasKeepAliveTimer(portOf(gateway.listening.address), client.socket.localPort ?? 0)
      assert.notEqual(armed, false)
    },
  ),

  engineCase(
    'a listener closed while its client is being dialled for leaves nothing behind',
    async (scene) => {
      const upstream = await scene.upstream()
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      const conn = await gateway.accepted()
      const dialling = scene.dial(upstream.address)
      await gateway.listening.close()
      scene.link(conn, await dialling)
      client.socket.write('through')
      await (await upstream.accepted()).has('through')
    },
  ),

  engineCase('an engine that is closed listens no more, and says so', async (scene) => {
    await scene.engine.close()
    assert.equal((await refusal(scene, LOOPBACK)).code, 'misuse')
  }),
]
