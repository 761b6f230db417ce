import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRecording } from '../../src/recording.js'
import { namesIn } from '../sinks/files/series.js'
import { payload } from '../support/payload.js'
import { expectSameBytes } from '../support/recording.js'
import { blockScope, eventually, type Scope, testScope } from '../support/scope.js'
import { dial, exchange, startServer } from '../support/sockets.js'
import { collectStreams } from '../support/streams.js'
import { startRecorder, tidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'
import { readWithTshark } from '../support/tshark.js'

/** What each connection of a recording said upstream, its damage, and how many have no end. */
const read = async (paths: string | readonly string[]) => {
  const recording = await openRecording(paths)
  const upstream = new Map<number, Uint8Array[]>()
  const ended = new Set<number>()
  for await (const event of recording.events()) {
    if (event.kind === 'open') upstream.set(event.connection, [])
    if (event.kind === 'data' && event.direction === 'upstream')
      upstream.get(event.connection)!.push(event.bytes.slice())
    if (event.kind === 'close') ended.add(event.connection)
  }
  const streams = [...upstream.values()].map((chunks) => Buffer.concat(chunks))
  return { streams, damage: recording.damage, open: upstream.size - ended.size }
}

const echoServer = (scope: Scope) =>
  startServer(scope, (socket) => {
    socket.on('error', () => {}).pipe(socket)
  })

describeWith(['tshark'], 'a gateway that records into many files', () => {
  const scope = blockScope()

  it('has every byte of connections that go on from file to file, each readable by itself', async () => {
    const echo = await echoServer(scope)
    const folder = join(scope.tempDir(), 'made/by/it')
    const args = ['--rotate-size', '128KiB', '--rotate-every', '2s', '--compress', 'gzip', '--name', '../x']
    const gateway = await startRecorder(scope, echo.port, {
      file: `${folder}/{listener}/%Y%m%d.pcapng`,
      args,
    })
    const sent = [1, 2, 3].map((seed) => payload(seed, 400_000))
    await Promise.all(
      sent.map(async (bytes) => {
        const reply = await exchange(await dial(scope, gateway.port), bytes)
        expectSameBytes(reply, bytes, 'the reply')
      }),
    )
    await gateway.closed(3)
    expect(await gateway.finish(60_000)).toBe(0)

    const names = namesIn(folder)
    expect(names.length).toBeGreaterThan(15)
    for (const name of names) expect(name).toMatch(/^_\._x\/\d{8}(-\d+)?\.pcapng\.gz$/)
    const { streams, damage } = await read(folder)
    expect(damage).toBe(null)
    expect(streams.map((bytes) => sent.findIndex((each) => each.equals(bytes))).sort()).toEqual([0, 1, 2])
    const verified = await tidegate(['verify', folder])
    expect(`${verified.code} ${verified.stderr}`, verified.stdout.toString()).toBe('0 ')
    // As one file they are the same to tshark.
    const merged = join(scope.tempDir(), 'all.pcapng')
    const exported = await tidegate(['export', folder, '--to', merged])
    expect(exported.code, exported.stderr).toBe(0)
    expect((await tidegate(['verify', merged])).code).toBe(0)
    const { sink, streams: followed } = collectStreams()
    await readWithTshark(merged, { connections: [1, 2, 3], sink })
    for (const [index, bytes] of streams.entries()) {
      const seen = followed().get(index + 1)!
      expectSameBytes(seen.upstream, bytes, `upstream ${index + 1} as tshark has it`)
      expectSameBytes(seen.downstream, bytes, `downstream ${index + 1} as tshark has it`)
    }
    // Alone, one from the middle is a whole recording too.
    const alone = await tidegate(['verify', join(folder, names[5]!)])
    expect(alone.code, alone.stdout.toString() + alone.stderr).toBe(0)
  }, 60_000)

  it('leaves nothing that cannot be read after a kill, and the next start mends and goes on', async () => {
    const echo = await echoServer(scope)
    const folder = `${scope.tempDir()}/`
    const args = ['--rotate-size', '256KiB', '--compress', 'gzip']
    const killed = await startRecorder(scope, echo.port, { file: folder, args })
    const bytes = payload(7, 8_000_000)
    const client = await dial(scope, killed.port)
    client.on('error', () => {}).resume()
    client.write(bytes)
    await eventually(
      'files to be compressed while others are written',
      () => readdirSync(folder).some((name) => name.endsWith('.gz')),
      60_000,
    )
    killed.daemon.child.kill('SIGKILL')
    await killed.daemon.exited

    const next = await startRecorder(scope, echo.port, { file: folder, args })
    const after = payload(8, 100_000)
    await exchange(await dial(scope, next.port), after)
    await next.closed(1)
    await eventually(
      'what the kill has left to be compressed',
      () => namesIn(folder).filter((name) => name.endsWith('.pcapng')).length <= 1,
      60_000,
    )
    expect(await next.finish(60_000)).toBe(0)
    expect(namesIn(folder).filter((name) => !name.endsWith('.pcapng.gz'))).toEqual([])
    const { streams, damage, open } = await read(folder)
    expect(damage).toBe(null)
    expect(open).toBe(1)
    const [first, second] = streams
    expect(streams).toHaveLength(2)
    expect(first!.length).toBeGreaterThan(10_000)
    expectSameBytes(first!, bytes.subarray(0, first!.length), 'what was stored before the kill')
    expectSameBytes(second!, after, 'what was stored after it')
  }, 120_000)

  it('relays on when there is less free space than asked for, and says so', async () => {
    const ends = testScope()
    const echo = await echoServer(scope)
    const folder = `${ends.tempDir()}/`
    const gateway = await startRecorder(ends, echo.port, { file: folder, args: ['--min-free', '1048576GiB'] })
    const reply = await exchange(await dial(ends, gateway.port), payload(1, 1000))
    expect(reply).toHaveLength(1000)
    const [failing] = await gateway.lines('failure', ({ msg }) => msg.includes('fails, bytes are lost'))
    expect(failing).toMatchObject({ level: 'warn', why: 'write failed: less than 1048576GiB free' })
    expect(await gateway.finish()).toBe(0)
    expect(namesIn(folder)).toEqual([])
  })
})
