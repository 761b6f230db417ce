/** Sockets that listen for somebody else: who waits is seen, and not accepted. */

import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import type { LentListener, ThreadedEngine } from '../../../src/ports/engine.js'
import { LOOPBACK, Scene } from '../../../src/testing/engine/scene.js'
import { eventually } from '../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

describe.skipIf(!isLinux)(`a lent listener of the linux engine${onLinux}`, () => {
  let engine: ThreadedEngine
  let scene: Scene

  beforeEach(() => {
    engine = createLinuxEngine()
    scene = new Scene(engine)
  })

  afterEach(() => scene.close())

  /** How often it has told. */
  const told = (lent: LentListener): { count: number } => {
    const calls = { count: 0 }
    lent.onClient(() => void calls.count++)
    return calls
  }

  /** Everything that the engine had to tell by now is told. */
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  it('tells once that a client waits, and accepts nobody', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    const calls = told(lent)
    const client = await scene.client(lent.address)
    client.socket.write('for the child')
    await eventually('it is told', () => calls.count === 1)
    await scene.client(lent.address)
    await turns()
    expect(calls.count).toBe(1)
    expect(client.hasEnded).toBe(false)
    expect(lent.turnAway()).toBe(2)
    await client.sawReset()
  })

  it('tells at once of those that wait already, but not before it has returned', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    await scene.client(lent.address)
    await turns()
    const calls = told(lent)
    expect(calls.count).toBe(0)
    await eventually('it is told', () => calls.count === 1)
  })

  it('tells the last who asked, and nobody when that one has been removed', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    const first = told(lent)
    const second = told(lent)
    const client = await scene.client(lent.address)
    await eventually('it is told', () => second.count === 1)
    expect(first.count).toBe(0)
    const third = told(lent)
    lent.onClient(null)
    await turns()
    expect(third.count).toBe(0)
    expect(client.hasEnded).toBe(false)
  })

  it('goes on to queue clients when all who waited were turned away', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    const client = await scene.client(lent.address)
    expect(lent.turnAway()).toBe(1)
    await client.sawReset()
    expect(lent.turnAway()).toBe(0)
    const calls = told(lent)
    await scene.client(lent.address)
    await eventually('it is told', () => calls.count === 1)
  })

  it('does the same on a unix socket, whose path goes with it', async () => {
    const path = await scene.socketPath()
    const lent = await engine.lend({ address: { kind: 'unix', path } })
    const calls = told(lent)
    const client = await scene.client(lent.address)
    await eventually('it is told', () => calls.count === 1)
    lent.close()
    await client.wasLeft()
    expect(existsSync(path)).toBe(false)
  })

  it('resets who waits when it is closed, and leaves the address to others', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    told(lent)
    const client = await scene.client(lent.address)
    lent.close()
    lent.close()
    await client.sawReset()
    expect(lent.turnAway()).toBe(0)
    expect(told(lent).count).toBe(0)
    const listening = await engine.listen({ address: lent.address }, () => {})
    expect(listening.address).toEqual(lent.address)
  })

  it('is closed with its engine', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    told(lent)
    await engine.close()
    expect(lent.turnAway()).toBe(0)
    await expect(scene.client(lent.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(engine.lend({ address: LOOPBACK })).rejects.toMatchObject({ code: 'misuse' })
  })

  it('says when its address is taken', async () => {
    const lent = await engine.lend({ address: LOOPBACK })
    await expect(engine.lend({ address: lent.address })).rejects.toMatchObject({ code: 'address_in_use' })
  })
})
