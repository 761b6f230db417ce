/** One file on a disk that fills up: what `onFailure`, `minFree` and `sync` say of it. */

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually, testScope } from '../../../support/scope.js'
import { mayMount, mountSmallDisk } from '../../../support/small-disk.js'
import { dial, exchange } from '../../../support/sockets.js'
import { expectAgreement, expectExact, KIB, MIB, startDiskGateway, untilStored, verify } from './rig.js'

const canMount = await mayMount('one recording on a full disk')

const onDisk = async (bytes: number, record: object = {}, workers = 0) => {
  const scope = testScope()
  const disk = await mountSmallDisk(scope, bytes)
  const file = join(disk.folder, 'it.pcapng')
  const gateway = await startDiskGateway(scope, { file, ...record }, { workers })
  return { scope, disk, file, ...gateway, it: gateway }
}

// A loss that comes back is not to be tried away.
describe.skipIf(!canMount)('one file on a full disk', { retry: 0 }, () => {
  it.each([{ sync: 'never' }, { sync: 'interval', syncInterval: '10ms' }, { sync: 'always' }] as const)(
    'continue, sync $sync: relays all, says so once, marks the loss and goes on',
    async (sync) => {
      const { disk, file, relay, failing, said, messages, finish, it: gateway } = await onDisk(2 * MIB, sync)
      disk.fill(1 * MIB)
      await relay(1, 0.75 * MIB)
      await failing()
      expect(messages('fails, bytes are lost')).toEqual([
        `the recording to '${file}' fails, bytes are lost: write failed: ENOSPC`,
      ])
      expect(messages('works again')).toEqual([])
      disk.makeRoom()
      await untilStored(gateway)
      await relay(2, 100_000)
      const ledger = await finish()
      const verified = await verify(file)
      expect(ledger).toMatchObject({ unclosed: 0, cutBytes: 0 })
      expect(ledger.lostBytes).toBeGreaterThan(0)
      expect(ledger.storedBytes).toBeGreaterThan(0.4 * MIB)
      expectAgreement(ledger, verified)
      expect([...verified.whys]).toEqual(['write failed: ENOSPC'])
      expect(messages('fails, bytes are lost')).toHaveLength(1)
      expect(messages('works again')).toEqual([
        `the recording to '${file}' works again; ${ledger.lostBytes} bytes were lost`,
      ])
      expect(said.filter(({ level }) => level === 'error')).toEqual([])
    },
  )

  it('continue, the disk stays full: what is there can be read, and the ends that are not there are counted', async () => {
    const { scope, disk, file, port, relay, messages, finish, it: gateway } = await onDisk(1 * MIB)
    await relay(1, 100_000)
    const open = await dial(scope, port)
    open.on('data', () => {}).write('hello')
    await eventually(
      'all of it to be there, and how the first has ended',
      async () => gateway.recording().storedBytes === 200_010 && (await verify(file)).withLedger === 1,
    )
    disk.fill(0)
    // Their closes alone are more than the file's last page.
    await Promise.all(Array.from({ length: 60 }, (_, n) => relay(2 + n, 5000)))
    open.end(Buffer.alloc(5000))
    const ledger = await finish()
    expect(messages('fails, bytes are lost')).toHaveLength(1)
    expect(messages('works again')).toEqual([])
    expectExact(ledger)
    expect(ledger).toMatchObject({ connections: 62, seenBytes: 200_010 + 610_000, storedBytes: 200_010 })
    // Of the others nothing is in the file, not even that they were; of the open one not how it ended.
    const verified = await verify(file)
    expect(ledger.unclosed).toBe(61)
    expect(verified).toMatchObject({ connections: 2, unfinished: 1, mismatches: 0, damage: null, corrupt: 0 })
    expect(verified.bytes).toEqual({ upstream: 100_005, downstream: 100_005 })
  })

  it('continue, with workers: says so once for all threads', async () => {
    const { disk, file, relay, failing, messages, finish, it: gateway } = await onDisk(4 * MIB, {}, 2)
    disk.fill(1 * MIB)
    await Promise.all([1, 2, 3, 4].map((seed) => relay(seed, 400_000)))
    await failing()
    expect(messages('fails, bytes are lost')).toHaveLength(1)
    disk.makeRoom()
    await untilStored(gateway)
    await Promise.all([5, 6].map((seed) => relay(seed, 100_000)))
    const ledger = await finish()
    expectAgreement(ledger, await verify(file))
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect(messages('fails, bytes are lost')).toHaveLength(1)
    expect(messages('works again')).toEqual([
      `the recording to '${file}' works again; ${ledger.lostBytes} bytes were lost`,
    ])
  })

  it('disconnect: ends those whose bytes were lost, with reason error, and nobody else', async () => {
    const {
      scope,
      disk,
      file,
      port,
      ended,
      relay,
      messages,
      finish,
      it: gateway,
    } = await onDisk(2 * MIB, {
      onFailure: 'disconnect',
    })
    const silent = await dial(scope, port)
    silent.write('hello')
    await eventually('the first to be stored', () => gateway.recording().storedBytes === 10)
    disk.fill(0.5 * MIB)
    const cut = await dial(scope, port)
    const closed = new Promise((resolve) => cut.once('close', resolve))
    cut.on('data', () => {})
    cut.write(Buffer.alloc(4 * MIB))
    await closed
    await eventually('its account', () => ended.length > 0)
    await gateway.failing()
    expect(ended).toMatchObject([{ reason: 'error' }])
    expect(ended[0]?.error?.message).toBe('connection 2 could not be recorded: write failed: ENOSPC')
    expect(messages('fails, bytes are lost')).toHaveLength(1)
    disk.makeRoom()
    await relay(2, 100_000)
    expect((await exchange(silent, Buffer.from(' again'))).toString()).toBe('hello again')
    const ledger = await finish()
    expectAgreement(ledger, await verify(file))
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect(ended.map(({ reason }) => reason).sort()).toEqual(['client_fin', 'client_fin', 'error'])
  })

  it.each(['continue', 'disconnect'] as const)(
    'minFree, %s: leaves that much to others, and says so',
    async (onFailure) => {
      const { scope, disk, file, port, ended, failing, messages, finish } = await onDisk(3 * MIB, {
        minFree: '1MiB',
        onFailure,
      })
      disk.fill(2 * MIB)
      const client = await dial(scope, port)
      client.on('data', () => {})
      client.end(Buffer.alloc(1.5 * MIB))
      await eventually('its end', () => ended.length > 0)
      await failing()
      await failing()
      expect(ended[0]?.reason).toBe(onFailure === 'continue' ? 'client_fin' : 'error')
      expect(messages('fails, bytes are lost')).toEqual([
        `the recording to '${file}' fails, bytes are lost: write failed: less than 1MiB free`,
      ])
      // The last page of the file may be beyond it.
      expect(disk.free()).toBeGreaterThan(1 * MIB - 8 * KIB)
      expect(disk.free()).toBeLessThan(1.5 * MIB)
      // Or how it ended might find none.
      disk.makeRoom()
      const ledger = await finish()
      expectAgreement(ledger, await verify(file))
      expect(ledger.lostBytes).toBeGreaterThan(0)
    },
  )

  it('full from the start: relays all, and leaves a file as soon as there is room', async () => {
    const scope = testScope()
    const disk = await mountSmallDisk(scope, 512 * KIB)
    const file = join(disk.folder, 'it.pcapng')
    disk.fill(0)
    const gateway = await startDiskGateway(scope, { file })
    await gateway.relay(1, 300_000)
    await gateway.failing()
    expect(statSync(file).size).toBe(0)
    disk.makeRoom()
    await untilStored(gateway)
    const ledger = await gateway.finish()
    expectAgreement(ledger, await verify(file))
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect(gateway.messages('fails, bytes are lost')).toHaveLength(1)
  })
})
