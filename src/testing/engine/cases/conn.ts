/** A conn that is not linked: watched, read, written, ended. */

import assert from 'node:assert/strict'
import { deferred, until, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { bytesOf, codeOf, leaving, PATIENCE_MS, pair, textOf } from '../pair.js'
import { NO_LIMITS } from '../scene.js'

export const connCases: readonly CaseTemplate[] = [
  engineCase('each conn has an id of its own', async (scene) => {
    const { clientConn, upstreamConn } = await scene.relay()
    assert.notEqual(clientConn.id, upstreamConn.id)
  }),

  engineCase(
    'read gives what arrived in pieces of at most what was asked for, and nothing at the end',
    async (scene) => {
      const { client, conn } = await pair(scene)
      client.socket.end('abcdef')
      let text = ''
      for (;;) {
        const bytes = await conn.read(4, PATIENCE_MS)
        if (bytes.length === 0) break
        assert.ok(bytes.length <= 4)
        text += textOf(bytes)
      }
      assert.equal(text, 'abcdef')
      assert.equal((await conn.read(4, PATIENCE_MS)).length, 0)
    },
  ),

  engineCase('read waits for bytes that are yet to come', async (scene) => {
    const { client, conn } = await pair(scene)
    const reading = conn.read(100, PATIENCE_MS)
    client.socket.write('now')
    assert.equal(textOf(await reading), 'now')
  }),

  engineCase(
    'a read that gets nothing in time is read_timeout, and what comes later is not lost',
    async (scene) => {
      const { client, conn } = await pair(scene)
      assert.equal(await codeOf(conn.read(100, 20)), 'read_timeout')
      client.socket.write('late')
      assert.equal(textOf(await conn.read(100, PATIENCE_MS)), 'late')
    },
  ),

  engineCase('a second read at a time, and a read while linked, are misuse', async (scene) => {
    const { conn } = await pair(scene)
    const first = codeOf(conn.read(1, 0))
    assert.equal(await codeOf(conn.read(1, 0)), 'misuse')
    conn.destroy()
    assert.equal(await first, 'aborted')
    const { clientConn, upstreamConn } = await scene.relay()
    assert.equal(await codeOf(clientConn.read(1, 0)), 'misuse')
    assert.equal(await codeOf(upstreamConn.write(bytesOf('x'))), 'misuse')
  }),

  engineCase(
    'a read or write on a connection that the other side reset is connection_reset',
    async (scene) => {
      const { client, conn } = await pair(scene)
      const reading = codeOf(conn.read(1, PATIENCE_MS))
      client.socket.resetAndDestroy()
      assert.equal(await reading, 'connection_reset')
      assert.equal(await codeOf(conn.read(1, PATIENCE_MS)), 'connection_reset')
      assert.equal(await codeOf(conn.write(bytesOf('x'))), 'connection_reset')
    },
  ),

  engineCase('a read or write on a connection that was destroyed here is aborted', async (scene) => {
    const { conn } = await pair(scene)
    conn.destroy()
    assert.equal(await codeOf(conn.read(1, PATIENCE_MS)), 'aborted')
    assert.equal(await codeOf(conn.write(bytesOf('x'))), 'aborted')
  }),

  engineCase('write resolves only when the kernel has it all', async (scene) => {
    const { client, conn } = await pair(scene)
    client.stall()
    let isWritten = false
    const size = 64 * 1024 * 1024
    const writing = conn.write(new Uint8Array(size)).then(() => {
      isWritten = true
    })
    await (await pair(scene)).conn.write(bytesOf('a whole exchange later'))
    assert.equal(isWritten, false)
    assert.equal(conn.isIdleAndAlive(), false)
    client.socket.resume()
    await within(writing, 'the write')
    await client.hasBytes(size)
  }),

  engineCase('end sends what is pending, then FIN, and the other side may still talk', async (scene) => {
    const { client, conn } = await pair(scene)
    void conn.write(bytesOf('bye'))
    conn.end()
    conn.end()
    await client.sawEnd()
    assert.equal(client.text, 'bye')
    assert.equal(conn.isIdleAndAlive(), false)
    client.socket.end('and you')
    assert.equal(textOf(await conn.read(100, PATIENCE_MS)), 'and you')
  }),

  engineCase('destroy closes with FIN, and once', async (scene) => {
    const { client, conn } = await pair(scene)
    conn.destroy()
    conn.destroy()
    conn.reset()
    await client.sawEnd()
    assert.equal(conn.isIdleAndAlive(), false)
  }),

  engineCase('reset closes with RST, and once', async (scene) => {
    const { client, conn } = await pair(scene)
    conn.reset()
    conn.reset()
    conn.destroy()
    await client.sawReset()
  }),

  engineCase('reset right after end still closes', async (scene) => {
    const { client, conn } = await pair(scene)
    conn.end()
    conn.reset()
    await client.wasLeft()
  }),

  engineCase('watch tells of a FIN, also of one that was there before', async (scene) => {
    const { client, conn } = await pair(scene)
    const told = leaving(conn)
    client.socket.end()
    assert.equal(await told, 'fin')
    assert.equal(await leaving(conn), 'fin')
    assert.equal(conn.isIdleAndAlive(), false)
  }),

  engineCase('watch tells of a reset, also of one that was there before', async (scene) => {
    const { client, conn } = await pair(scene)
    const told = leaving(conn)
    client.socket.resetAndDestroy()
    assert.equal(await told, 'reset')
    assert.equal(await leaving(conn), 'reset')
    assert.equal(conn.isIdleAndAlive(), false)
  }),

  engineCase('watch does not tell of a FIN behind bytes that nobody has read', async (scene) => {
    const { client, conn } = await pair(scene)
    let told: string | null = null
    conn.watch((how) => {
      told = how
    })
    client.socket.end('unread')
    await until(() => !conn.isIdleAndAlive(), 'the bytes have arrived')
    const other = await pair(scene)
    const otherLeft = leaving(other.conn)
    other.client.socket.end()
    await otherLeft
    assert.equal(told, null)
    assert.equal(textOf(await conn.read(100, PATIENCE_MS)), 'unread')
  }),

  engineCase('a later watcher replaces an earlier one, null removes it, and linking does', async (scene) => {
    const { client, conn } = await pair(scene)
    conn.watch(() => assert.fail('the replaced watcher is told'))
    const told = leaving(conn)
    client.socket.end()
    assert.equal(await told, 'fin')

    const removed = await pair(scene)
    removed.conn.watch(() => assert.fail('the removed watcher is told'))
    removed.conn.watch(null)
    removed.client.socket.resetAndDestroy()

    const linked = await pair(scene)
    const upstream = await scene.upstream()
    const upstreamConn = await scene.dial(upstream.address)
    linked.conn.watch(() => assert.fail('the watcher of a linked conn is told'))
    const { ended } = scene.link(linked.conn, upstreamConn, {}, NO_LIMITS)
    linked.client.socket.resetAndDestroy()
    assert.equal((await within(ended, 'the link ends')).reason, 'client_reset')
  }),

  engineCase('a watcher is not told of what was done here', async (scene) => {
    const { client, conn } = await pair(scene)
    conn.watch(() => assert.fail('the watcher is told'))
    conn.destroy()
    await client.wasLeft()
  }),

  engineCase('a watcher may destroy the conn, or throw', async (scene) => {
    const first = await pair(scene)
    const destroyed = deferred<void>()
    first.conn.watch(() => {
      first.conn.destroy()
      destroyed.resolve()
    })
    first.client.socket.end()
    await within(destroyed.promise, 'the watcher is told')
    const second = await pair(scene)
    second.conn.watch(() => {
      throw new Error('from the watcher')
    })
    second.client.socket.end()
    const third = await pair(scene)
    third.client.socket.write('x')
    assert.equal(textOf(await third.conn.read(1, PATIENCE_MS)), 'x')
  }),

  engineCase('a conn is idle and alive until something arrives', async (scene) => {
    const { client, conn } = await pair(scene)
    assert.equal(conn.isIdleAndAlive(), true)
    client.socket.write('x')
    await until(() => !conn.isIdleAndAlive(), 'the byte has arrived')
    assert.equal(textOf(await conn.read(1, PATIENCE_MS)), 'x')
    assert.equal(conn.isIdleAndAlive(), true)
  }),

  engineCase('a client that talks to nobody is stopped', async (scene) => {
    const { client, conn } = await pair(scene)
    let isOver = false
    const most = 24 * 1024 * 1024
    client.pour(Buffer.alloc(65_536), () => isOver || client.socket.bytesWritten > most)
    let last = -1
    let since = performance.now()
    await until(() => {
      if (client.socket.bytesWritten !== last) {
        last = client.socket.bytesWritten
        since = performance.now()
      }
      return performance.now() - since > 300
    }, 'the client is stopped')
    assert.ok(client.socket.bytesWritten <= most)
    isOver = true
    conn.destroy()
  }),
]
