import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import { Scene } from '../../../src/testing/engine/scene.js'
import { untilStill } from '../../../src/testing/wait.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'
const MiB = 1024 * 1024

/** Every four bytes say where they are. */
const numbered = (bytes: number): Buffer => {
  const buffer = Buffer.alloc(bytes)
  for (let at = 0; at < bytes; at += 4) buffer.writeUInt32BE(at, at)
  return buffer
}

describe.skipIf(!isLinux)(`a link of the linux engine${onLinux}`, () => {
  let scene: Scene

  beforeEach(() => {
    scene = new Scene(createLinuxEngine())
  })

  afterEach(() => scene.close())

  it('changes to splicing and back, again and again, and keeps every byte in order', async () => {
    const { client, server } = await scene.relay()
    let sent = ''
    let bulk = 0
    for (let round = 0; round < 20; round++) {
      const size = round % 2 === 0 ? 2 * MiB : 10
      server.socket.write(Buffer.alloc(size, 97 + round))
      if (size === 10) sent += String.fromCharCode(97 + round).repeat(10)
      else bulk += size
      await client.hasBytes(bulk + sent.length)
    }
    expect(client.received).toBe(bulk + sent.length)
    server.socket.end()
    await client.sawEnd()
  })

  it('serves small exchanges while a neighbour moves bulk without end', async () => {
    const busy = await scene.relay()
    busy.server.pour(Buffer.alloc(65_536), () => false)
    await busy.client.hasBytes(8 * MiB)
    const small = await scene.relay()
    const before = busy.client.received
    for (let i = 1; i <= 50; i++) {
      small.client.socket.write('?')
      await small.server.hasBytes(i)
      small.server.socket.write('!')
      await small.client.hasBytes(i)
    }
    expect(busy.client.received).toBeGreaterThan(before)
    busy.link.destroy('killed')
  })

  it('that is interrupted with bytes in the pipe gives them to the next reader, and counts only what was delivered', async () => {
    const { client, server, link, upstreamConn } = await scene.relay()
    const sent = numbered(32 * MiB)
    client.stall()
    server.socket.write(sent)
    await untilStill(() => link.totals.downstream, 200, 'the client takes no more')
    expect(await link.interrupt(5000)).toBe('unread')
    const delivered = link.totals.downstream
    const next = await upstreamConn.read(4096, 5000)
    expect(Buffer.compare(next, sent.subarray(delivered, delivered + next.length))).toBe(0)
    client.socket.resume()
    await client.hasBytes(delivered)
    expect(client.received).toBe(delivered)
  })

  it('that is held with bytes in the pipe still delivers those', async () => {
    const { client, server, link } = await scene.relay()
    client.stall()
    server.socket.write(Buffer.alloc(32 * MiB))
    await untilStill(() => link.totals.downstream, 200, 'the client takes no more')
    link.hold()
    client.socket.resume()
    await untilStill(() => client.received, 200, 'what was on its way has arrived')
    expect(client.received).toBe(link.totals.downstream)
    expect(client.received).toBeLessThan(32 * MiB)
    link.release()
    await client.hasBytes(32 * MiB)
  })

  it('gives an observer a chunk that it may keep only by copying', async () => {
    const chunks: Uint8Array[] = []
    const { client, server } = await scene.relay({ onData: (chunk) => void chunks.push(chunk) })
    client.socket.write('one')
    await server.has('one')
    client.socket.write('two')
    await server.has('onetwo')
    expect(chunks[0]?.buffer).toBe(chunks[1]?.buffer)
  })

  it('survives an observer that transfers the chunk away: that link ends, and the engine works on', async () => {
    const { client, ended } = await scene.relay({
      onData: (chunk) => void structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }),
    })
    client.socket.write('poison')
    expect(await ended).toMatchObject({ reason: 'error', error: { code: 'hook_failed' } })
    const other = await scene.relay()
    other.client.socket.write('unharmed')
    await other.server.has('unharmed')
  })
})

describe.skipIf(!isLinux)(`an adopted stream of the linux engine${onLinux}`, () => {
  it('is destroyed with the engine', async () => {
    const engine = createLinuxEngine()
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
    engine.adopt(stream)
    await engine.close()
    expect(stream.destroyed).toBe(true)
    const late = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
    expect(engine.adopt(late).isIdleAndAlive()).toBe(false)
    expect(late.destroyed).toBe(true)
  })
})
