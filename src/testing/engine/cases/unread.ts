/** Bytes that were read and put back. */

import assert from 'node:assert/strict'
import { TidegateError } from '../../../errors.js'
import { until, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { bytesOf, codeOf, leaving, PATIENCE_MS, pair, textOf } from '../pair.js'

export const unreadCases: readonly CaseTemplate[] = [
  engineCase('what is put back is read again, before what came later', async (scene) => {
    const { client, conn } = await pair(scene)
    client.socket.write('abcdef')
    let text = ''
    while (text.length < 6) text += textOf(await conn.read(6 - text.length, PATIENCE_MS))
    assert.equal(conn.isIdleAndAlive(), true)
    conn.unread(bytesOf('ef'))
    conn.unread(bytesOf('cd'))
    assert.equal(conn.isIdleAndAlive(), false)
    client.socket.end('gh')
    for (text = ''; ; ) {
      const bytes = await conn.read(3, PATIENCE_MS)
      if (bytes.length === 0) break
      text += textOf(bytes)
    }
    assert.equal(text, 'cdefgh')
    assert.equal(await leaving(conn), 'fin')
  }),

  engineCase('what is put back keeps a FIN behind it from being told', async (scene) => {
    const { client, conn } = await pair(scene)
    client.socket.end('x')
    assert.equal(textOf(await conn.read(1, PATIENCE_MS)), 'x')
    assert.equal((await conn.read(1, PATIENCE_MS)).length, 0)
    conn.unread(bytesOf('x'))
    const told: string[] = []
    conn.watch((how) => told.push(how))
    const other = await pair(scene)
    const otherLeft = leaving(other.conn)
    other.client.socket.end()
    await otherLeft
    assert.deepEqual(told, [])
    assert.equal(textOf(await conn.read(1, PATIENCE_MS)), 'x')
    await until(() => told.length > 0, 'the watcher is told')
    assert.deepEqual(told, ['fin'])
  }),

  engineCase(
    'a link gets what was put back first, and then all that arrived, the end included',
    async (scene) => {
      for (const observer of [{}, { onData: () => {} }]) {
        const { client, conn } = await pair(scene)
        const upstream = await scene.upstream()
        const upstreamConn = await scene.dial(upstream.address)
        const server = await upstream.accepted()
        client.socket.write('header+first')
        let head = ''
        while (head.length < 12) head += textOf(await conn.read(100, PATIENCE_MS))
        conn.unread(bytesOf(head.slice('header+'.length)))
        const { ended } = scene.link(conn, upstreamConn, observer)
        await server.has('first')
        client.socket.end(' second')
        await server.sawEnd()
        assert.equal(server.text, 'first second')
        server.socket.end('answer')
        await client.sawEnd()
        assert.equal(client.text, 'answer')
        assert.deepEqual((await within(ended, 'the link ends')).totals, { upstream: 12, downstream: 6 })
      }
    },
  ),

  engineCase(
    'a link of a client that had ended before bytes were put back relays them, and the end',
    async (scene) => {
      const { client, conn } = await pair(scene)
      const upstream = await scene.upstream()
      const upstreamConn = await scene.dial(upstream.address)
      const server = await upstream.accepted()
      client.socket.end('all')
      let text = ''
      for (;;) {
        const bytes = await conn.read(100, PATIENCE_MS)
        if (bytes.length === 0) break
        text += textOf(bytes)
      }
      conn.unread(bytesOf(text))
      scene.link(conn, upstreamConn)
      await server.sawEnd()
      assert.equal(server.text, 'all')
    },
  ),

  engineCase(
    'to put bytes back while linked or being read is misuse; when closed, nothing',
    async (scene) => {
      const isMisuse = (thrown: unknown): boolean =>
        thrown instanceof TidegateError && thrown.code === 'misuse'
      const { clientConn } = await scene.relay()
      assert.throws(() => clientConn.unread(bytesOf('x')), isMisuse)
      const { conn } = await pair(scene)
      const reading = codeOf(conn.read(1, 0))
      assert.throws(() => conn.unread(bytesOf('x')), isMisuse)
      conn.destroy()
      assert.equal(await reading, 'aborted')
      conn.unread(bytesOf('x'))
      assert.equal(await codeOf(conn.read(1, 0)), 'aborted')
    },
  ),
]
