import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import { loadForeign } from '../../../src/engine/linux/ffi/koffi.js'
import { Scene } from '../../../src/testing/engine/scene.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const MSG_OOB = 1

/** Node cannot send urgent bytes. All of this is in the other side's kernel before anybody reads. */
const sendAround = (socket: Socket, before: string, urgent: string, after: string): void => {
  const send = loadForeign().library.func('int64_t send(int, const void*, int64_t, int)')
  const fd: unknown = Reflect.get(Reflect.get(socket, '_handle') as object, 'fd')
  for (const [text, flags] of [
    [before, 0],
    [urgent, MSG_OOB],
    [after, 0],
  ] as const)
    expect(send(fd, Buffer.from(text), text.length, flags)).toBe(text.length)
}

describe.skipIf(!isLinux)(`urgent bytes${onLinux}`, () => {
  let scene: Scene

  beforeEach(() => {
    scene = new Scene(createLinuxEngine())
  })

  afterEach(() => scene.close())

  it('do not keep back what was sent behind them', async () => {
    const { client, server } = await scene.relay()
    sendAround(client.socket, 'before', '!', 'after')
    await server.has('beforeafter')
  })

  it('do not cut off what is between them and the end', async () => {
    const { client, server } = await scene.relay()
    sendAround(client.socket, 'before', '!', 'after')
    client.socket.end()
    await server.has('beforeafter')
    await server.sawEnd()
  })
})
