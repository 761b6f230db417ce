import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPortableEngine } from '../../../src/engine/portable/engine.js'
import type { Conn } from '../../../src/ports/engine.js'
import { until } from '../../../src/testing/wait.js'

let engine = createPortableEngine()
const clients: Socket[] = []

beforeEach(() => {
  engine = createPortableEngine()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await engine.close()
})

describe('a paused portable listener', () => {
  it('holds as many connections as its backlog, and resets what comes beyond', async () => {
    const accepted: Conn[] = []
    const listening = await engine.listen(
      { address: { kind: 'tcp', host: '127.0.0.1', port: 0 }, backlog: 3 },
      (conn) => accepted.push(conn),
    )
    listening.pause()
    const port = listening.address.kind === 'tcp' ? listening.address.port : 0
    const resets: number[] = []
    for (let i = 0; i < 5; i++) {
      const client = connect({ host: '127.0.0.1', port })
      client.on('error', () => resets.push(i))
      clients.push(client)
      // One after the other, so that their order is known.
      await until(() => !client.connecting, 'the client is connected')
    }
    await until(() => resets.length === 2, 'those beyond the backlog are reset')
    expect(resets.sort()).toEqual([3, 4])
    expect(accepted).toEqual([])
    listening.resume()
    expect(accepted.map((conn) => conn.remote)).toEqual(
      clients.slice(0, 3).map((client) => ({ kind: 'tcp', host: '127.0.0.1', port: client.localPort })),
    )
  })
})

describe('a portable listener that is resumed', () => {
  it('hands out what it held one after the other, also to somebody who pauses and resumes for each', async () => {
    let deepest = 0
    let depth = 0
    let accepted = 0
    const listening = await engine.listen(
      { address: { kind: 'tcp', host: '127.0.0.1', port: 0 }, backlog: 100 },
      (conn) => {
        accepted++
        deepest = Math.max(deepest, ++depth)
        listening.pause()
        conn.reset()
        listening.resume()
        depth--
      },
    )
    listening.pause()
    const port = listening.address.kind === 'tcp' ? listening.address.port : 0
    for (let i = 0; i < 50; i++) {
      const client = connect({ host: '127.0.0.1', port })
      client.on('error', () => {})
      clients.push(client)
    }
    await until(() => clients.every((client) => !client.connecting), 'all are connected')
    // One whole turn of the loop later the listener has accepted what the kernel had.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    listening.resume()
    await until(() => accepted === 50, 'all were handed out')
    expect(deepest).toBe(1)
  })
})

describe('a portable listener on a unix socket', () => {
  it('says that the folder is missing, which libuv calls a lack of permission', async () => {
    const path = '/nonexistent-folder/gate.sock'
    await expect(engine.listen({ address: { kind: 'unix', path } }, () => {})).rejects.toMatchObject({
      code: 'listen_failed',
      message: `cannot listen on unix:${path}: the directory does not exist (ENOENT)`,
    })
  })
})
