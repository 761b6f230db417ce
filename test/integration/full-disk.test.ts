import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { PerDirection } from '../../src/core/direction.js'
import { openRecording } from '../../src/recording.js'
import { verify } from '../control/recording/full-disk/rig.js'
import { payload } from '../support/payload.js'
import { runWell } from '../support/processes.js'
import { expectSameBytes } from '../support/recording.js'
import { blockScope, eventually, type Scope, testScope } from '../support/scope.js'
import { mayMount, mountSmallDisk } from '../support/small-disk.js'
import { dial, exchange, startServer } from '../support/sockets.js'
import { type LogLine, type RecordingGateway, startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { readWithTshark } from '../support/tshark.js'

const DISK_BYTES = 4 * 1024 ** 2
/** Several times what the disk and the recorder's own buffer hold. */
const BEFORE = payload(30, 12 * 1024 ** 2)
const AFTER = payload(31, 100_000)

/** A place to record to that is soon full, and how to make room there. */
interface FillingDisk {
  readonly file: string
  readonly launcher?: readonly string[]
  readonly errno: string
  makeRoom(gateway: RecordingGateway): Promise<void>
}

/** Half of it is taken by something that can be deleted. */
const mountedDisk = async (scope: Scope): Promise<FillingDisk> => {
  const { folder, fill, makeRoom } = await mountSmallDisk(scope, 2 * DISK_BYTES)
  fill(DISK_BYTES)
  return { file: join(folder, 'recording.pcapng'), errno: 'ENOSPC', makeRoom: async () => makeRoom() }
}

/** A process that may not write files beyond a size, until it is allowed to. Anybody can do that to their own. */
const limitFileSize = (scope: Scope): FillingDisk => ({
  file: join(scope.tempDir(), 'recording.pcapng'),
  launcher: [toolPath('prlimit'), `--fsize=${DISK_BYTES}:`],
  errno: 'EFBIG',
  makeRoom: async ({ daemon }) => {
    await runWell(toolPath('prlimit'), [`--pid=${daemon.pid}`, '--fsize=unlimited:'])
  },
})

const isAbout =
  (what: string) =>
  ({ msg }: LogLine): boolean =>
    msg.includes(what)

/** The last connection of a client's port. Not simply the last in the file: those before it may have been another worker's. */
const saidBy = async (file: string, port: number): Promise<PerDirection<Buffer>> => {
  let of = 0
  let said: PerDirection<Buffer[]> = { upstream: [], downstream: [] }
  for await (const event of (await openRecording(file)).events()) {
    if (event.kind === 'open' && event.client.endsWith(`:${port}`)) {
      of = event.connection
      said = { upstream: [], downstream: [] }
    } else if (event.kind === 'data' && event.connection === of)
      said[event.direction].push(Buffer.from(event.bytes))
  }
  return { upstream: Buffer.concat(said.upstream), downstream: Buffer.concat(said.downstream) }
}

describeWith(['prlimit', 'tshark'], 'a recording gateway whose disk is full', async () => {
  const scope = blockScope()
  const canMount = await mayMount('a full file system')

  describe.each([
    { name: 'a file size limit', disk: async (ends: Scope) => limitFileSize(ends), possible: true },
    { name: 'a full file system', disk: mountedDisk, possible: canMount },
  ])('$name', ({ disk, possible }) => {
    it.skipIf(!possible)(
      'relays every byte, says once that the recording has a hole, and goes on recording when there is room',
      async () => {
        const ends = testScope()
        const echo = await startServer(scope, (socket) => socket.pipe(socket))
        const small = await disk(ends)
        const gateway = await startRecorder(ends, echo.port, { ...small, args: ['--buffer', '1MiB'] })

        const reply = await exchange(await dial(ends, gateway.port), BEFORE)
        expectSameBytes(reply, BEFORE, 'the reply while the disk fills up')
        await gateway.closed(1)
        expect(gateway.daemon.isRunning()).toBe(true)
        const failures = (): readonly LogLine[] => gateway.log.filter(isAbout('fails, bytes are lost'))
        const recoveries = (): readonly LogLine[] => gateway.log.filter(isAbout('works again'))
        // Of the writes themselves dozens fail, and a few small ones still find room in between.
        expect(failures()).toMatchObject([{ level: 'warn', why: `write failed: ${small.errno}` }])
        expect(recoveries()).toEqual([])
        expect(statSync(small.file).mode & 0o777).toBe(0o600)

        await small.makeRoom(gateway)
        let connections = 1
        await eventually('the log to say that there is room again', async () => {
          // Little, so that it does not fill the disk again.
          expect((await exchange(await dial(ends, gateway.port), Buffer.from('?'))).toString()).toBe('?')
          await gateway.closed(++connections)
          return recoveries().length > 0
        })
        const client = await dial(ends, gateway.port)
        const { localPort } = client
        const last = await exchange(client, AFTER)
        expectSameBytes(last, AFTER, 'the last reply')
        await gateway.closed(++connections)
        expect(await gateway.finish()).toBe(0)

        expect(failures()).toHaveLength(1)
        expect(recoveries()).toHaveLength(1)

        const verified = await verify(small.file)
        expect(verified).toMatchObject({ code: 1, damage: null, mismatches: 0, corrupt: 0, unfinished: 0 })
        expect(verified.whys).toContain(`write failed: ${small.errno}`)
        await readWithTshark(small.file)
        const { upstream, downstream } = await saidBy(small.file, localPort!)
        expectSameBytes(upstream, AFTER, 'recorded upstream once there was room')
        expectSameBytes(downstream, AFTER, 'recorded downstream once there was room')
      },
      60_000,
    )
  })
})
