/** Many files on a disk that fills up: rotation, compression, and retention that makes room. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DiskSeries, namesIn, packetsIn } from '../../../sinks/files/series.js'
import { payload } from '../../../support/payload.js'
import { eventually, testScope } from '../../../support/scope.js'
import { mayMount, mountSmallDisk, type SmallDiskOptions } from '../../../support/small-disk.js'
import { dial, exchange } from '../../../support/sockets.js'
import { expectAgreement, expectExact, KIB, MIB, startDiskGateway, sum, untilStored, verify } from './rig.js'

const canMount = await mayMount('recordings of many files on a full disk')

const onDisk = async (bytes: number, record: object = {}, options: SmallDiskOptions = {}) => {
  const scope = testScope()
  const disk = await mountSmallDisk(scope, bytes, options)
  const folder = join(disk.folder, 'made')
  const start = () => startDiskGateway(scope, { file: `${folder}/`, ...record })
  const gateway = await start()
  return { scope, disk, folder, start, ...gateway, it: gateway }
}

// A loss that comes back is not to be tried away.
describe.skipIf(!canMount)('many files on a full disk', { retry: 0 }, () => {
  it('continue: relays all, says so once, marks the loss, and begins the next file when there is room', async () => {
    const {
      disk,
      folder,
      relay,
      messages,
      finish,
      it: gateway,
    } = await onDisk(3 * MIB, {
      rotate: { size: '256KiB' },
    })
    disk.fill(1 * MIB)
    await relay(1, 0.75 * MIB)
    await gateway.failing()
    expect(messages('fails, bytes are lost')).toEqual([
      `the recording to '${folder}/' fails, bytes are lost: write failed: ENOSPC`,
    ])
    const before = namesIn(folder).length
    expect(before).toBeGreaterThan(2)
    disk.makeRoom()
    await untilStored(gateway)
    await relay(2, 300_000)
    const ledger = await finish()
    expect(namesIn(folder).length).toBeGreaterThan(before)
    expect(ledger.files).toBe(namesIn(folder).length)
    const verified = await verify(folder)
    expectAgreement(ledger, verified)
    expect(ledger).toMatchObject({ unclosed: 0 })
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect([...verified.whys]).toEqual(['write failed: ENOSPC'])
    // None is left that has nothing in it, and each is whole by itself.
    for (const name of namesIn(folder)) {
      const { damage, mismatches, corrupt } = await verify(join(folder, name))
      expect({ name, damage, mismatches, corrupt }).toEqual({ name, damage: null, mismatches: 0, corrupt: 0 })
    }
    expect(messages('fails, bytes are lost')).toHaveLength(1)
    expect(messages('works again')).toHaveLength(1)
  })

  it.each(['continue', 'disconnect'] as const)(
    'minFree, %s: leaves that much to others, and says so',
    async (onFailure) => {
      const {
        scope,
        disk,
        folder,
        port,
        ended,
        messages,
        finish,
        it: gateway,
      } = await onDisk(3 * MIB, { rotate: { size: '128KiB' }, minFree: '1MiB', onFailure })
      const silent = await dial(scope, port)
      silent.write('hello')
      await eventually('the first to be stored', () => gateway.recording().storedBytes === 10)
      disk.fill(1.5 * MIB)
      const client = await dial(scope, port)
      client.on('data', () => {}).end(Buffer.alloc(1 * MIB))
      await eventually('its end', () => ended.length > 0)
      await gateway.failing()
      const why = 'write failed: less than 1MiB free'
      expect(messages('fails, bytes are lost')).toEqual([
        `the recording to '${folder}/' fails, bytes are lost: ${why}`,
      ])
      expect(ended.map(({ reason, error }) => [reason, error?.message])).toEqual([
        onFailure === 'continue'
          ? ['client_fin', undefined]
          : ['error', `connection 2 could not be recorded: ${why}`],
      ])
      // The last page of each file may be beyond it.
      expect(disk.free()).toBeGreaterThan(1 * MIB - 4 * KIB * namesIn(folder).length)
      disk.makeRoom()
      await untilStored(gateway)
      expect((await exchange(silent, Buffer.from(' again'))).toString()).toBe('hello again')
      const ledger = await finish()
      const verified = await verify(folder)
      expectAgreement(ledger, verified)
      expect(ledger.lostBytes).toBeGreaterThan(0)
      expect([...verified.whys]).toEqual([why])
    },
  )

  it('a file for each client: what one write has for several files is in all of them, or in none', async () => {
    const scope = testScope()
    const disk = await mountSmallDisk(scope, 2 * MIB)
    const folder = join(disk.folder, 'made')
    const gateway = await startDiskGateway(scope, {
      file: `${folder}/{client}/%Y.pcapng`,
      rotate: { size: '128KiB' },
      onFailure: 'disconnect',
    })
    disk.fill(512 * KIB)
    for (let n = 0; n < 8; n++) {
      const client = await dial(scope, gateway.port)
      client.on('data', () => {}).end(Buffer.alloc(80_000))
    }
    // They may be over before their bytes are refused; this one is not.
    const last = await dial(scope, gateway.port)
    last.on('data', () => {}).write(Buffer.alloc(1 * MIB))
    await eventually('all to end', () => gateway.ended.length === 9)
    await eventually('all of it to be answered', () => gateway.recording().bufferedBytes === 0)
    disk.makeRoom()
    await untilStored(gateway)
    const ledger = await gateway.finish()
    expectAgreement(ledger, await verify(folder))
    expect(ledger.lostBytes).toBeGreaterThan(0)
    // Nothing is there of which nobody knows whose it is.
    expect(readdirSync(folder)).toEqual(['127.0.0.1'])
    expect(new Set(gateway.ended.map(({ reason }) => reason))).toEqual(new Set(['client_fin', 'error']))
  })

  it('a rotation that cannot create its file fails the write, and the file before it is still whole', async () => {
    // The root, the ballast, the folder, and two files.
    const {
      disk,
      folder,
      relay,
      messages,
      finish,
      it: gateway,
    } = await onDisk(4 * MIB, { rotate: { size: '256KiB' } }, { inodes: 5 })
    disk.fill(3 * MIB)
    await relay(1, 400_000)
    await gateway.failing()
    expect(namesIn(folder)).toHaveLength(2)
    expect(disk.free()).toBeGreaterThan(2 * MIB)
    // Or what is refused late would fill the next file.
    await eventually('all of it to be refused', () => gateway.recording().bufferedBytes === 0)
    disk.makeRoom()
    await untilStored(gateway)
    // There is room for one more file, and no more is said than it takes to begin it.
    await eventually('the next file', async () => {
      await relay(2, 10_000)
      return namesIn(folder).length === 3
    })
    const ledger = await finish()
    expectAgreement(ledger, await verify(folder))
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect(namesIn(folder)).toHaveLength(3)
    expect(messages('fails, bytes are lost')).toEqual([
      `the recording to '${folder}/' fails, bytes are lost: write failed: ENOSPC`,
    ])
  })

  it('files whose time is over are ended once there is room for it', async () => {
    const scope = testScope()
    const disk = await mountSmallDisk(scope, 1 * MIB)
    const folder = join(disk.folder, 'made')
    const series = await DiskSeries.open(scope, '%H%M%S.pcapng', { rotateMs: 1000 }, folder)
    // What is said of them at the file's end is more than what is left of its last page.
    for (let id = 1; id <= 60; id++) series.send(series.open(id), 'upstream', 100)
    expect(series.flush()).toBe(null)
    const file = join(folder, series.names()[0] ?? '')
    const before = statSync(file).size
    disk.fill(0)
    await eventually('it to be said', () => series.lines.length > 0)
    expect(series.lines).toEqual([
      { level: 'warn', fields: { why: 'ENOSPC' }, message: 'files of the recording cannot be ended yet' },
    ])
    expect(statSync(file).size).toBe(before)
    disk.makeRoom()
    await eventually('the file to be ended', () => statSync(file).size > before)
    const ends = packetsIn(file).filter(({ comments }) => comments.some((each) => each.includes('continue')))
    expect(ends).toHaveLength(60)
    expect(series.lines).toHaveLength(1)
  })

  it.each([{ compress: 'none' }, { compress: 'gzip' }] as const)(
    'retention, compress $compress: makes room before anything is lost',
    async ({ compress }) => {
      const { scope, folder, port, messages, finish, disk } = await onDisk(2 * MIB, {
        rotate: { size: '128KiB' },
        keep: { size: '512KiB' },
        compress,
      })
      // Faster than files that are too much go by themselves.
      await Promise.all(
        Array.from({ length: 12 }, async (_, seed) => {
          const client = await dial(scope, port)
          await exchange(client, payload(seed, 150_000))
        }),
      )
      const ledger = await finish()
      expectExact(ledger)
      expect(ledger).toMatchObject({ lostBytes: 0, unclosed: 0, seenBytes: 12 * 300_000 })
      expect(messages('fails, bytes are lost')).toEqual([])
      const left = namesIn(folder)
      expect(left.length).toBeLessThan(ledger.files!)
      expect(left.every((name) => name.endsWith(compress === 'gzip' ? '.pcapng.gz' : '.pcapng'))).toBe(true)
      expect(disk.free()).toBeGreaterThanOrEqual(1.4 * MIB)
      // What has gone is no loss: the files that are there say where they begin.
      const verified = await verify(folder)
      expect(verified).toMatchObject({
        ok: true,
        holes: 0,
        mismatches: 0,
        unfinished: 0,
        damage: null,
        corrupt: 0,
      })
      expect(sum(verified.bytes)).toBeGreaterThan(300_000)
    },
  )

  it('retention has nothing to remove: what the disk refuses is lost, and said', async () => {
    const {
      disk,
      folder,
      relay,
      messages,
      finish,
      it: gateway,
    } = await onDisk(2 * MIB, {
      rotate: { size: '128KiB' },
      keep: { size: '100MiB', files: 1000 },
    })
    disk.fill(0.5 * MIB)
    await relay(1, 500_000)
    await gateway.failing()
    expect(messages('fails, bytes are lost')).toHaveLength(1)
    disk.makeRoom()
    await untilStored(gateway)
    const ledger = await finish()
    expectAgreement(ledger, await verify(folder))
    expect(ledger.lostBytes).toBeGreaterThan(0)
  })

  it('a compression takes no room from what is recorded', async () => {
    const { folder, relay, messages, finish } = await onDisk(2 * MIB, {
      rotate: { size: '256KiB' },
      compress: 'gzip',
    })
    // Nearly all of the disk; what is compressed does not become smaller.
    for (const seed of [1, 2, 3]) await relay(seed, 0.3 * MIB)
    const ledger = await finish()
    expect(ledger).toMatchObject({ lostBytes: 0, unclosed: 0 })
    expect(messages('fails, bytes are lost')).toEqual([])
    expectAgreement(ledger, await verify(folder))
    expect(namesIn(folder).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  it('a compression that finds no room leaves its file as it is, and the next start does it', async () => {
    const { disk, folder, relay, messages, finish, start } = await onDisk(2 * MIB, {
      rotate: { size: '512KiB' },
      compress: 'gzip',
    })
    disk.fill(1 * MIB)
    await relay(1, 300_000)
    await eventually('it to be said', () => messages('cannot be compressed').length > 0)
    expect(messages('cannot be compressed')).toEqual(['a file of the recording cannot be compressed: ENOSPC'])
    const ledger = await finish()
    expect(ledger).toMatchObject({ lostBytes: 0, unclosed: 0, storedBytes: 600_000 })
    expectAgreement(ledger, await verify(folder))
    const [first, ...others] = namesIn(folder)
    expect(first).toMatch(/Z\.pcapng$/)
    expect(others.every((name) => !name.endsWith('.part'))).toBe(true)

    disk.makeRoom()
    const next = await start()
    await eventually('the rest to be compressed', () =>
      namesIn(folder).every((name) => name.endsWith('.pcapng.gz')),
    )
    await next.finish()
    expect(next.messages('cannot')).toEqual([])
    expectAgreement(ledger, await verify(folder))
  })

  it('a compression that waits for room is tried again when the next file is complete', async () => {
    const { disk, folder, relay, messages, finish } = await onDisk(4 * MIB, {
      rotate: { size: '256KiB' },
      compress: 'gzip',
      minFree: '1MiB',
    })
    // Enough for the file that is begun, not for another as large.
    disk.fill(1 * MIB + 440 * KIB)
    await relay(1, 150_000)
    await eventually('it to be said', () => messages('cannot be compressed').length > 0)
    expect(messages('cannot be compressed')).toEqual([
      'a file of the recording cannot be compressed: less than 1MiB free',
    ])
    expect(namesIn(folder).every((name) => name.endsWith('.pcapng'))).toBe(true)
    disk.makeRoom()
    await relay(2, 200_000)
    await eventually('what waited to be compressed', () => namesIn(folder)[0]?.endsWith('.gz'))
    const ledger = await finish()
    expect(ledger).toMatchObject({ lostBytes: 0 })
    expectAgreement(ledger, await verify(folder))
    expect(namesIn(folder).every((name) => name.endsWith('.pcapng.gz'))).toBe(true)
  })
})
