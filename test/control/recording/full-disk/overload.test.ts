/** A full disk under each `overload`: it is never waited for, whatever the policy for a slow one, and `onFailure` says who is cut. */

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Sink } from '../../../../src/ports/sink.js'
import { payload } from '../../../support/payload.js'
import { eventually, testScope } from '../../../support/scope.js'
import { mayMount, mountSmallDisk } from '../../../support/small-disk.js'
import { dial, exchange } from '../../../support/sockets.js'
import { type DiskGateway, expectAgreement, KIB, MIB, startDiskGateway, untilStored, verify } from './rig.js'

const canMount = await mayMount('a full disk under each overload policy')

const ENOSPC = 'write failed: ENOSPC'
const PIECE = 32 * KIB
/** What may wait for the disk: four slabs, and with the third the traffic is held. All that is said is twice as much, in both directions. */
const BUFFER = 1 * MIB
const PIECES = 32
/** If so much waits and a piece comes on top, in both directions, it is less than a slab: beside one that is just written, one more is begun. */
const CALM = BUFFER / 8

type Socket = Awaited<ReturnType<typeof dial>>

/** One that is out of reach: all of it waits on the disk. */
const AWAY: Sink = {
  where: 'nowhere://here',
  open: () => Promise.reject(new Error('it is away')),
  write: () => Promise.reject(new Error('it is away')),
  close: () => Promise.resolve(),
}

/**
 * Says pieces and hears each back, as fast as the disk answers, however slow that is: so nothing of it is an overload. Resolves with how many
 * came back.
 */
const speak = async ({ recording }: DiskGateway, socket: Socket, pieces: number): Promise<number> => {
  let isClosed = false
  let back = 0
  socket.on('data', (bytes) => {
    back += bytes.length
  })
  socket.once('close', () => {
    isClosed = true
  })
  for (let said = 0; said < pieces; said++) {
    socket.write(payload(said, PIECE))
    await eventually('the traffic to go on', () => isClosed || back === (said + 1) * PIECE)
    if (isClosed) break
    await eventually('the disk to answer', () => recording().bufferedBytes <= CALM)
  }
  return back / PIECE
}

interface Place {
  readonly record: object
  /** What `verify` reads. */
  readonly path: string
  readonly sink?: Sink
}

const PLACES: Readonly<Record<'one file' | 'many files' | 'a spool', (folder: string) => Place>> = {
  'one file': (folder: string) => ({
    record: { file: join(folder, 'it.pcapng') },
    path: join(folder, 'it.pcapng'),
  }),
  'many files': (folder: string) => ({
    record: { file: `${folder}/made/`, rotate: { size: '128KiB' } },
    path: join(folder, 'made'),
  }),
  'a spool': (folder: string) => ({
    record: { spool: { dir: join(folder, 'spool'), size: '1GiB' } },
    path: join(folder, 'spool'),
    sink: AWAY,
  }),
}

const OVERLOADS = ['block', 'drop', 'disconnect'] as const
const FAILURES = ['continue', 'disconnect'] as const

/** Who is cut is decided before it matters where it is written: both for one file, one of them for each of the others. */
const CASES = OVERLOADS.flatMap((overload) => [
  ...FAILURES.map((onFailure) => ({ place: 'one file', overload, onFailure }) as const),
  { place: 'many files', overload, onFailure: 'disconnect' } as const,
  { place: 'a spool', overload, onFailure: 'continue' } as const,
])

// A loss that comes back is not to be tried away.
describe.skipIf(!canMount)('a full disk', { retry: 0 }, () => {
  it.each(CASES)(
    'is not waited for: $place, overload $overload, onFailure $onFailure',
    async ({ place, overload, onFailure }) => {
      const scope = testScope()
      const disk = await mountSmallDisk(scope, 2 * MIB)
      const { record, path, ...options } = PLACES[place](disk.folder)
      const gateway = await startDiskGateway(
        scope,
        { ...record, bufferSize: BUFFER, overload, onFailure },
        options,
      )
      const silent = await dial(scope, gateway.port)
      silent.write('hello')
      await eventually('the first to be stored', () => gateway.recording().storedBytes === 10)
      disk.fill(512 * KIB)

      const speaking = await dial(scope, gateway.port)
      const back = await speak(gateway, speaking, PIECES)
      await gateway.failing()
      const where = options.sink?.where ?? (place === 'many files' ? `${path}/` : path)
      expect(gateway.messages('fails, bytes are lost')).toEqual([
        `the recording to '${where}' fails, bytes are lost: ${ENOSPC}`,
      ])
      expect(gateway.recording().holds).toBe(0)
      if (onFailure === 'continue') expect(back).toBe(PIECES)
      else {
        await eventually('its account', () => gateway.ended.length > 0)
        expect(gateway.ended).toMatchObject([
          { reason: 'error', error: { message: `connection 2 could not be recorded: ${ENOSPC}` } },
        ])
      }

      disk.makeRoom()
      await untilStored(gateway)
      expect((await exchange(silent, Buffer.from(' again'))).toString()).toBe('hello again')
      speaking.end()
      const ledger = await gateway.finish()
      const verified = await verify(path)
      expectAgreement(ledger, verified)
      expect(ledger).toMatchObject({ unclosed: 0, cutBytes: 0 })
      expect(ledger.lostBytes).toBeGreaterThan(0)
      expect([...verified.whys]).toEqual([ENOSPC])
      expect(gateway.messages('works again')).toHaveLength(1)
      // The one that was cut, and nobody else.
      expect(gateway.ended.filter(({ reason }) => reason === 'error')).toHaveLength(back < PIECES ? 1 : 0)
    },
  )
  it.each(OVERLOADS)('and bursts on top: overload $0, each policy for its own trouble', async (overload) => {
    const scope = testScope()
    const disk = await mountSmallDisk(scope, 2 * MIB)
    const file = join(disk.folder, 'it.pcapng')
    const gateway = await startDiskGateway(scope, { file, bufferSize: BUFFER, overload })
    disk.fill(512 * KIB)
    const bytes = payload(5, 1 * MIB)
    const replies = await Promise.all(
      Array.from({ length: 4 }, async () =>
        exchange(await dial(scope, gateway.port), bytes).catch(() => null),
      ),
    )
    await eventually('their accounts', () => gateway.ended.length === replies.length)
    await gateway.failing()
    const errors = gateway.ended.flatMap(({ reason, error }) => (reason === 'error' ? [error?.message] : []))
    const whole = replies.filter((reply) => reply?.equals(bytes)).length
    expect(whole).toBe(replies.length - errors.length)
    if (overload !== 'disconnect') expect(errors).toEqual([])
    for (const message of errors) expect(message).toContain('overload: disconnected')
    disk.makeRoom()
    await untilStored(gateway)
    const ledger = await gateway.finish()
    const verified = await verify(file)
    expectAgreement(ledger, verified)
    expect(ledger).toMatchObject({ unclosed: 0 })
    const mayBe = { block: [], drop: ['overload: dropped'], disconnect: ['overload: disconnected'] }[overload]
    expect([ENOSPC, ...mayBe]).toEqual(expect.arrayContaining([...verified.whys]))
    expect(verified.whys).toContain(ENOSPC)
  })
})
