import { describe, expect, it, vi } from 'vitest'
import { parseAddress } from '../../../../src/core/address.js'
import type { WriteQueue } from '../../../../src/core/resource/write-queue.js'
import {
  createDefaultResourceGroup,
  type DefaultResourceGroupOptions,
  type ResourceWriter,
} from '../../../../src/record.js'

const CONTEXT = { listener: 'one', listenType: 1, recording: 'r' }

const connection = (id: number, client: string) => ({
  id,
  listener: 'one',
  client: parseAddress(client),
  server: parseAddress('10.1.0.1:80'),
})

describe('the default group', () => {
  it('shares a client’s resource among its connections, and makes another when it was let go of', async () => {
    const reclaimed: string[] = []
    const group = createDefaultResourceGroup({
      writeFunction: () => {},
      onReclaim: (_resource, from) => reclaimed.push(from),
      checkIntervalMs: 0,
    })
    const get = async (id: number, client: string) => group.getResource(CONTEXT, connection(id, client))
    const [one, two, other] = [
      await get(1, '10.0.0.1:4000'),
      await get(2, '10.0.0.1:4001'),
      await get(3, 'unix:/run/client'),
    ]
    expect(two.resource).toBe(one.resource)
    expect(other.resource).not.toBe(one.resource)
    expect(one.resource.lock).toBe(group.locks.getLock('10.0.0.1'))
    expect(one.resource.lock?.users).toBe(2)
    one.onClose?.(one.resource)
    expect(group.checkLocks()).toBe(0)
    two.onClose?.(two.resource)
    expect(group.checkLocks()).toBe(1)
    expect(reclaimed).toEqual(['10.0.0.1'])
    expect((await get(4, '10.0.0.1:4002')).resource).not.toBe(one.resource)
    await group.close()
    await expect(get(5, '10.0.0.1:4003')).rejects.toMatchObject({ code: 'misuse' })
  })

  it('checks by itself every so often, until it is closed', async () => {
    vi.useFakeTimers()
    try {
      const group = createDefaultResourceGroup({ writeFunction: () => {}, checkIntervalMs: 1000 })
      const { onClose, resource } = await group.getResource(CONTEXT, connection(1, '10.0.0.1:4000'))
      onClose?.(resource)
      expect(group.size).toBe(1)
      vi.advanceTimersByTime(1000)
      expect(group.size).toBe(0)
      await group.close()
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it('makes one resource for two that ask at once, and tries again after one that could not be made', async () => {
    let made = 0
    const group = createDefaultResourceGroup({
      newResource: async () => {
        if (++made === 1) throw new Error('not yet')
        return { writeFunction: () => {} }
      },
      checkIntervalMs: 0,
    })
    const get = (id: number) => group.getResource(CONTEXT, connection(id, `10.0.0.1:${id}`))
    await expect(get(1)).rejects.toThrow('not yet')
    const [one, two] = await Promise.all([get(2), get(3)])
    expect(made).toBe(2)
    expect(one.resource).toBe(two.resource)
    expect(group.locks.getLock('10.0.0.1').users).toBe(2)
  })

  it('waits at its end for what is queued, and then has the writer flushed', async () => {
    const done: string[] = []
    const group = createDefaultResourceGroup({
      writer: { write: () => {}, flush: async () => done.push('flushed') },
      checkIntervalMs: 0,
    })
    const { resource } = await group.getResource(CONTEXT, connection(1, '10.0.0.1:4000'))
    const context = { listenType: 1, fromIp: '', toIp: '', fromTo: '' }
    const slow = async (): Promise<void> => {
      await Promise.resolve()
      done.push('written')
    }
    await resource.writeQueue?.addItem(new Uint8Array(0), 0, slow, context)
    await group.close()
    expect(done).toEqual(['written', 'flushed'])
  })

  it('tries again after one that made nothing', async () => {
    let made = 0
    const group = createDefaultResourceGroup({
      newResource: async () => (++made === 1 ? undefined! : { writeFunction: () => {} }),
      checkIntervalMs: 0,
    })
    const get = (id: number) => group.getResource(CONTEXT, connection(id, `10.0.0.1:${id}`))
    await expect(get(1)).rejects.toThrow(TypeError)
    await get(2)
    expect(made).toBe(2)
  })

  it('drains and flushes all at its end, though one of them fails, and then says the first failure', async () => {
    const flushed: string[] = []
    const flush = (from: string) => async () => {
      flushed.push(from)
      if (from === '10.0.0.1') throw new Error('full')
    }
    const drain = async (): Promise<void> => {
      throw new Error('stuck')
    }
    const group = createDefaultResourceGroup({
      newResource: (_context, from) => ({
        writer: { write: () => {}, flush: flush(from) },
        ...(from === '10.0.0.2' ? { writeQueue: { drain, addItem: drain } as unknown as WriteQueue } : {}),
      }),
      checkIntervalMs: 0,
    })
    for (const id of [1, 2, 3]) await group.getResource(CONTEXT, connection(id, `10.0.0.${id}:4000`))
    await expect(group.close()).rejects.toThrow('full')
    expect(flushed).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  })

  it('flushes at its end whatever does not hang', async () => {
    const flushed: string[] = []
    const group = createDefaultResourceGroup({
      newResource: (_context, from) => ({
        writer: { write: () => new Promise(() => {}), flush: () => flushed.push(from) },
      }),
      checkIntervalMs: 0,
    })
    for (const id of [1, 2]) {
      const { resource } = await group.getResource(CONTEXT, connection(id, `10.0.0.${id}:4000`))
      const { writeQueue, writer, lock } = resource
      const write = id === 1 ? (bytes: Uint8Array) => (writer as ResourceWriter).write(bytes) : () => {}
      const about = { listenType: 1, fromIp: 'a', toIp: 'b', fromTo: 'a...b' }
      await writeQueue?.addItem(new Uint8Array(1), lock?.increaseGetIndex() ?? 0, write, about)
    }
    void group.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(flushed).toEqual(['10.0.0.2'])
  })

  it('warns of an onReclaim that rejects', async () => {
    const group = createDefaultResourceGroup({
      writeFunction: () => {},
      onReclaim: async () => {
        throw new Error('no')
      },
      checkIntervalMs: 0,
    })
    const { onClose, resource } = await group.getResource(CONTEXT, connection(1, '10.0.0.1:4000'))
    onClose?.(resource)
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      expect(group.checkLocks()).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      expect(warned.mock.calls).toEqual([['onReclaim of a resource group failed: no']])
    } finally {
      warned.mockRestore()
    }
  })

  it.each<[string, object]>([
    ['writer', {}],
    ['writer', { writer: {} }],
    ['writeFunction', { writeFunction: 1 }],
    ['checkIntervalMs', { writeFunction: () => {}, checkIntervalMs: -1 }],
    ['maxItems', { writeFunction: () => {}, maxItems: 0 }],
  ])('refuses a wrong %s', (where, options) => {
    const create = (): unknown => createDefaultResourceGroup(options as DefaultResourceGroupOptions)
    expect(create).toThrow(expect.objectContaining({ code: 'value_invalid', where }))
  })
})
