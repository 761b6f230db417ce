import { appendFileSync, mkdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, vi } from 'vitest'
import { tailCommand } from '../../src/cli/commands/tail.js'
import { SERIES_FILES } from '../core/reassembly/series.js'
import { eventually } from '../support/scope.js'
import { collector, startTail } from './following.js'
import { fileOf, HOLED, ONE_LINE, PING_PONG, recorded, runCommand, tempDir, utf8 } from './recordings.js'

const connectionOf = (id: number, words: string): Uint8Array =>
  recorded((tape) => {
    const one = tape.connect(id)
    tape.say(one, 'upstream', words)
    tape.hangUp(one)
  })

describe('tail', () => {
  it('shows a connection when it is over, and ends well when it is told to', async () => {
    const file = fileOf(connectionOf(1, 'before'))
    const tail = await startTail(file)
    const late = connectionOf(2, 'hello')
    appendFileSync(file, late.subarray(0, late.length - 1))
    // One whole, of which nothing may be shown before its last byte is there.
    appendFileSync(file, late.subarray(late.length - 1))
    await tail.seen(/#2 .*client_fin/)
    const { shown, code, stderr } = await tail.finish()
    expect(shown).toMatch(
      /^2027-01-15 08:00:00\.003 {2}#2 {2}127\.0\.0\.1:40002 -> 10\.0\.0\.1:6379 {2}one {2}5 B up {2}0 B down {2}2ms {2}client_fin\n$/,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: `tidegate: following '${file}'\n` })
  })

  it('knows of connections that were open when it began', async () => {
    const [first, ...rest] = SERIES_FILES as [Uint8Array, ...Uint8Array[]]
    const directory = tempDir()
    writeFileSync(join(directory, '1.pcapng'), first)
    const tail = await startTail(directory, '--json')
    appendFileSync(join(directory, '1.pcapng'), PING_PONG)
    await tail.seen(/"connection"/)
    writeFileSync(join(directory, '2.pcapng'), rest[0]!)
    writeFileSync(join(directory, '3.pcapng'), rest[1]!)
    await tail.seen(/"id":7/)
    await tail.finish()
    expect(tail.lines().map((line) => JSON.parse(line) as object)).toMatchObject([
      { kind: 'close', client: '127.0.0.1:40001' },
      { kind: 'close', id: 7, fromStart: true, bytes: { upstream: 12, downstream: 6 }, reason: 'client_fin' },
    ])
  })

  it('puts files together that came since it looked last, whatever they are called and whether they are compressed', async () => {
    const [first, second, third] = SERIES_FILES as [Uint8Array, Uint8Array, Uint8Array]
    const [directory, made] = [tempDir(), join(tempDir(), 'made')]
    mkdirSync(made)
    writeFileSync(join(made, 'x.pcapng.gz'), gzipSync(first))
    writeFileSync(join(made, 'x-1.pcapng'), second)
    writeFileSync(join(made, 'a.pcapng.gz'), gzipSync(third))
    const tail = await startTail(directory, '--json')
    renameSync(made, join(directory, 'made'))
    await tail.seen(/"id":7/)
    await tail.finish()
    expect(tail.lines().map((line) => JSON.parse(line) as object)).toMatchObject([
      { kind: 'close', id: 7, fromStart: true, bytes: { upstream: 12, downstream: 6 }, reason: 'client_fin' },
    ])
  })

  it('follows a file that is cut back after a write that failed', async () => {
    const file = fileOf(connectionOf(1, 'one'))
    const tail = await startTail(file, '--open')
    const failed = connectionOf(2, 'what was written before the disk was full')
    appendFileSync(file, failed.subarray(0, failed.length - 300))
    await tail.seen(/#2 .*opened/)
    truncateSync(file, connectionOf(1, 'one').length)
    appendFileSync(file, connectionOf(3, 'three'))
    await tail.seen(/#3 .*client_fin/)
    expect(tail.lines()).toHaveLength(3)
    expect((await tail.finish()).stderr).toBe(`tidegate: following '${file}'\n`)
  })

  it('takes up files that come later, at any depth, renamed or removed as they may be', async () => {
    const directory = tempDir()
    const tail = await startTail(directory)
    mkdirSync(join(directory, '2026/11'), { recursive: true })
    const path = join(directory, '2026/11/a.pcapng')
    writeFileSync(path, connectionOf(1, 'one'))
    await tail.seen(/#1 /)
    renameSync(path, `${path}.old`)
    appendFileSync(`${path}.old`, connectionOf(2, 'two'))
    await tail.seen(/#2 /)
    writeFileSync(path, connectionOf(3, 'three'))
    await tail.seen(/#3 /)
    rmSync(`${path}.old`)
    appendFileSync(path, connectionOf(4, 'four'))
    await tail.seen(/#4 /)
    expect(tail.lines()).toHaveLength(4)
  })

  it.each([
    [[], 2],
    [['--client', '127.0.0.0/8'], 2],
    [['--client', '10.0.0.0/8'], 0],
    [['--listener', 'one'], 2],
    [['--listener', 'two'], 0],
    [['--min-size', '4B'], 1],
    [['--reason', 'client_fin'], 2],
    [['--reason', 'upstream_reset'], 0],
    [['--open'], 5],
    [['--open', '--client', '10.0.0.0/8'], 0],
  ])('shows with %j what is asked for', async (args, shown) => {
    const tail = await startTail(fileOf(HOLED), '--from-start', ...args)
    await tail.finish()
    expect(tail.lines()).toHaveLength(shown)
  })

  it.each([
    ['is empty', [], ': there is no file yet'],
    ['has files of others only', ['notes.txt', 'photo.png'], ''],
  ])(
    'says of a directory that %s what it follows, and shows what is recorded there later',
    async (_, names, nothing) => {
      const directory = tempDir()
      for (const name of names)
        writeFileSync(join(directory, name), 'not a recording, whatever its length is')
      const tail = await startTail(directory)
      writeFileSync(join(directory, 'a.pcapng'), connectionOf(1, 'one'))
      await tail.seen(/#1 /)
      const { code, stderr } = await tail.finish()
      expect({ code, stderr }).toEqual({ code: 0, stderr: `tidegate: following '${directory}'${nothing}\n` })
    },
  )

  it('tells what was lost', async () => {
    const tail = await startTail(fileOf(HOLED), '--from-start')
    const { shown } = await tail.finish()
    expect(shown).toContain('19 B up  0 B down  6ms  client_fin  6 B lost\n')
  })

  it('tells of a damaged file once, and follows it no more', async () => {
    const file = fileOf(Buffer.concat([PING_PONG, new Uint8Array(60).fill(7)]))
    const tail = await startTail(file, '--from-start')
    const { stderr, shown } = await tail.finish()
    expect(shown).toContain('#1 ')
    expect(stderr.match(/is damaged/g)).toHaveLength(1)
    expect(stderr).toContain(`'${file}' is damaged at byte ${PING_PONG.length}`)
  })

  it.each([
    ['gzip that is none', 'foreign.gz', utf8('not what its name says')],
    ['gzip of something else', 'notes.txt.gz', gzipSync('notes that are no recording')],
    ['zstd, also where Node cannot undo it', 'a.pcapng.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 9, 9, 9)],
  ])('passes over %s, which comes or is there', async (_, name, bytes) => {
    for (const isThere of [false, true]) {
      const directory = tempDir()
      const put = (): void => writeFileSync(join(directory, name), bytes)
      if (isThere) put()
      const tail = await startTail(directory, '--from-start')
      if (!isThere) put()
      writeFileSync(join(directory, 'b.pcapng'), connectionOf(1, 'one'))
      await tail.seen(/#1 /)
      const { code, stderr } = await tail.finish()
      expect(code).toBe(0)
      const told = stderr.split('\n').filter((line) => line.includes(name))
      expect(told).toEqual([expect.stringMatching(/^tidegate: '.*; it is passed over$/)])
    }
  })

  it('shows a file once that is renamed after nothing more comes to it', async () => {
    const directory = tempDir()
    const path = join(directory, 'a.pcapng')
    const tail = await startTail(directory)
    writeFileSync(path, connectionOf(1, 'one'))
    await tail.seen(/#1 /)
    renameSync(path, `${path}.old`)
    for (const id of [2, 3, 4]) {
      writeFileSync(join(directory, `${id}.pcapng`), connectionOf(id, 'more'))
      await tail.seen(new RegExp(`#${id} `))
    }
    appendFileSync(`${path}.old`, connectionOf(5, 'five'))
    await tail.seen(/#5 /)
    await tail.finish()
    expect(tail.lines()).toHaveLength(5)
  })

  it('shows a file that has the inode of one that was removed', async ({ skip }) => {
    const directory = tempDir()
    const tail = await startTail(directory)
    const before = join(directory, 'a.pcapng.gz')
    writeFileSync(before, gzipSync(connectionOf(1, 'one')))
    await tail.seen(/#1 /)
    const { ino } = statSync(before)
    rmSync(before)
    const after = join(directory, 'b.pcapng')
    writeFileSync(after, connectionOf(2, 'two'))
    if (statSync(after).ino !== ino) skip('this file system gives it another one')
    await tail.seen(/#2 /)
  })

  it('listens once for its end, however often it looks', async () => {
    const file = fileOf(PING_PONG)
    const out = collector()
    let stop: () => void = () => {}
    const stopped = new Promise<void>((resolve) => {
      stop = resolve
    })
    const listened = vi.spyOn(stopped, 'then')
    const errors = collector()
    const ran = runCommand((io) => tailCommand({ ...io, stderr: errors.stream }, () => stopped), [file], {
      stdout: out.stream,
    })
    await eventually('tail to follow', () => errors.found.text.includes('following'))
    for (const id of [2, 3, 4]) {
      appendFileSync(file, connectionOf(id, 'more'))
      await eventually(`#${id}`, () => out.found.text.includes(`#${id} `))
    }
    stop()
    expect(await ran).toMatchObject({ code: 0 })
    expect(listened).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['a file that is not there', () => [`${tempDir()}/none`], /no such file/, 1],
    ['what is no pcapng', () => [fileOf(utf8('#!/bin/sh -eu\n'))], /is no recording: expected a pcapng/, 2],
    ['stdin', () => ['-'], /'-' is no file/, 2],
    ['a wrong network', () => [fileOf(PING_PONG), '--client', '10.0.0.0/99'], /--client: /, 2],
    ['a wrong size', () => [fileOf(PING_PONG), '--min-size', 'much'], /--min-size: /, 2],
  ])('says of %s what is wrong', async (_, args, says, code) => {
    const ran = await runCommand((io) => tailCommand(io, () => Promise.resolve()), args())
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) })
  })
})
