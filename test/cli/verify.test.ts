import { once } from 'node:events'
import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createServer } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { verifyCommand } from '../../src/cli/commands/verify.js'
import { cutTail } from '../../src/cli/verify/repair.js'
import type { PacketRecord } from '../../src/core/codec/capture.js'
import { encodeGogetwayFrame } from '../../src/core/codec/gogetway/frame.js'
import { createPcapngReader } from '../../src/core/codec/pcapng/reader.js'
import { readAll } from '../core/codec/builders.js'
import {
  asPcap,
  fileOf,
  HOLED,
  jsonLines,
  ONE_LINE,
  PING_PONG,
  type RunWith,
  recorded,
  runCommand,
  tempDir,
  utf8,
} from './recordings.js'

const verify = (args: readonly string[], options?: RunWith) => runCommand(verifyCommand, args, options)

const FRAMES = Buffer.concat([
  encodeGogetwayFrame({ timeNs: 1n, type: 1, from: 'a:1', to: 'b:2', body: utf8('hello') }),
  encodeGogetwayFrame({ timeNs: 2n, type: 1, from: 'b:2', to: 'a:1', body: utf8('hello yourself') }),
])

describe('verify FILE', () => {
  it('is content with a whole recording', async () => {
    expect(await verify([fileOf(PING_PONG)])).toMatchObject({
      stdout: 'ok: 1 connection, 13 B, no holes\n',
      stderr: '',
      code: 0,
    })
  })

  it('lists holes and unfinished connections, and fails because of the holes', async () => {
    expect(await verify([fileOf(HOLED)])).toMatchObject({
      stdout: [
        'hole: connection 2 (127.0.0.1:40002 -> 10.0.0.1:6379) upstream: 6 bytes missing at 7: write failed: ENOSPC\n',
        'unfinished: connection 3 (127.0.0.1:40003 -> 10.0.0.1:6379): the file ends before it was closed\n',
        'failed: 3 connections (1 unfinished), 28 B, 1 hole (6 B missing)\n',
      ].join(''),
      stderr: '',
      code: 1,
    })
  })

  it('does not fail because of unfinished connections', async () => {
    const file = recorded((tape) => tape.say(tape.connect(1), 'upstream', 'cut off'))
    const ran = await verify([fileOf(file)])
    expect(ran).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^unfinished: .*\nok: 1 connection \(1 unf/),
    })
  })

  it('finds bytes that are gone although the ledger has them as stored', async () => {
    const file = recorded((tape) => {
      const one = tape.connect(1)
      tape.say(one, 'upstream', 'hello')
      tape.hangUp(one)
    })
    const text = Buffer.from(file).toString('latin1')
    const tampered = text.replace('"seen":5,"stored":5', '"seen":6,"stored":6')
    expect(tampered).not.toBe(text)
    const ran = await verify([fileOf(Buffer.from(tampered, 'latin1'))])
    expect(ran.stdout).toMatch(
      /^mismatch: connection 1 .* upstream: the ledger has 6 bytes stored, the file has 5\n/,
    )
    expect(ran.stdout).toMatch(/\nfailed: 1 connection, 5 B, no holes, 1 mismatch\n$/)
    expect(ran.code).toBe(1)
  })

  it('gives findings and summary as JSON Lines', async () => {
    const file = fileOf(HOLED)
    expect(jsonLines(await verify([file, '--json']))).toEqual([
      {
        kind: 'hole',
        connection: 2,
        client: '127.0.0.1:40002',
        server: '10.0.0.1:6379',
        direction: 'upstream',
        at: 7,
        length: 6,
        why: 'write failed: ENOSPC',
      },
      { kind: 'unfinished', connection: 3, client: '127.0.0.1:40003', server: '10.0.0.1:6379' },
      {
        kind: 'summary',
        ok: false,
        file,
        format: 'pcapng',
        connections: 3,
        unfinished: 1,
        continued: 0,
        withLedger: 2,
        bytes: { upstream: 28, downstream: 0 },
        missing: { upstream: 6, downstream: 0 },
        notRecorded: { upstream: 0, downstream: 0 },
        holes: 1,
        mismatches: 0,
        corrupt: 0,
        ignoredPackets: 0,
        damage: null,
        cut: null,
        files: 1,
        damagedFiles: 0,
        skippedFiles: 0,
      },
    ])
  })

  it('checks the captures of other tools, which have no ledger', async () => {
    expect(await verify([fileOf(asPcap(PING_PONG))])).toMatchObject({
      stdout: 'ok: 1 connection, 13 B, no holes, 1 connection without a ledger\n',
      code: 0,
    })
    const holed = await verify([fileOf(asPcap(HOLED))])
    expect(holed.stdout).toMatch(
      /^hole: connection 2 .* upstream: 6 bytes missing at 7: no reason recorded\n/,
    )
    expect(holed.code).toBe(1)
  })

  it('checks the frames of gogetway', async () => {
    expect(await verify([fileOf(FRAMES)])).toMatchObject({
      stdout: 'ok: 1 connection, 19 B, no holes, gogetway keeps no ledger: only the frames were checked\n',
      code: 0,
    })
  })

  it('reads stdin', async () => {
    const stdin = (async function* () {
      yield PING_PONG
    })()
    expect(await verify(['-'], { stdin })).toMatchObject({ code: 0 })
  })

  it.each([
    ['a file that is not there', () => `${tempDir()}/none`, /no such file/],
    ['an empty directory', tempDir, /holds no recordings/],
    ['a foreign file', () => fileOf(utf8('hello')), /is not a recording/],
  ])('of %s is one line and exit code 1', async (_, path, says) => {
    const ran = await verify([path()])
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(says) })
  })
})

/** Packets of Tidegate start this far into their blocks. */
const DATA_AT = 28

const packetsOf = (file: Uint8Array): readonly PacketRecord[] =>
  readAll(createPcapngReader(), file).filter((record) => record.kind === 'packet')

/** The bytes `from` replaced by `to`, once, in place. */
const replaced = (file: Uint8Array, from: string, to: string): Uint8Array => {
  const copy = Buffer.from(file)
  const at = copy.indexOf(from)
  if (at < 0 || from.length !== to.length) throw new Error(`'${from}' cannot be replaced by '${to}'`)
  copy.write(to, at, 'latin1')
  return copy
}

describe('verify of a recording whose bytes were changed', () => {
  const HIGH = recorded((tape) => {
    const one = tape.connect(1, '127.0.0.1:5000', '127.0.0.1:6379')
    tape.say(one, 'upstream', 'SET level high\r\n')
    tape.say(one, 'downstream', '+OK\r\n')
    tape.hangUp(one)
  })
  const offset = packetsOf(HIGH)[3]?.offset ?? -1
  const WHO = `packet at byte ${offset} \\(127.0.0.1:5000 -> 127.0.0.1:6379\\)`

  it('finds a changed payload', async () => {
    const ran = await verify([fileOf(replaced(HIGH, 'high', 'EVIL'))])
    expect(ran.stdout).toMatch(
      new RegExp(
        `^corrupt: ${WHO}: its checksum does not match its bytes\nfailed: 1 connection, 21 B, no holes, 1 corrupt packet\n$`,
      ),
    )
    expect(ran).toMatchObject({ stderr: '', code: 1 })
  })

  it('finds a changed header', async () => {
    const bytes = HIGH.slice()
    // The window, which nothing else looks at.
    bytes[offset + DATA_AT + 34] = 0xfe
    const ran = await verify([fileOf(bytes)])
    expect(ran.stdout).toMatch(new RegExp(`^corrupt: ${WHO}: its checksum does not match its bytes\n`))
    expect(ran.code).toBe(1)
  })

  it('finds a note that cannot be read any more', async () => {
    const ran = await verify([fileOf(replaced(HIGH, '"seen":16', '"seen":x6'))])
    expect(ran.stdout).toMatch(
      /^corrupt: packet at byte \d+ \(.*\): its note cannot be read\nfailed: .*, 1 connection without a ledger\n$/,
    )
    expect(ran.code).toBe(1)
  })

  it('tells of it in JSON', async () => {
    const ran = await verify([fileOf(replaced(HIGH, 'high', 'EVIL')), '--json'])
    expect(jsonLines(ran)).toEqual([
      {
        kind: 'corrupt',
        offset,
        source: '127.0.0.1:5000',
        destination: '127.0.0.1:6379',
        message: 'its checksum does not match its bytes',
      },
      expect.objectContaining({ kind: 'summary', ok: false, holes: 0, mismatches: 0, corrupt: 1 }),
    ])
  })

  it('repairs its torn end, and fails all the same', async () => {
    const path = fileOf(torn(replaced(HIGH, 'high', 'EVIL'), 3))
    const ran = await verify([path, '--repair'])
    expect(ran.stdout).toMatch(/^corrupt: .*\nrepaired: .*\nfailed: /)
    expect(ran.code).toBe(1)
  })

  it('lists every changed packet, in file order', async () => {
    const packets = 15_000
    const many = Buffer.from(
      recorded((tape) => {
        const one = tape.connect(1)
        for (let left = packets; left > 0; left--) {
          tape.say(one, 'upstream', 'high')
          if (tape.recorder.hasFull) tape.writeAll()
        }
        tape.hangUp(one)
      }),
    )
    for (let at = many.indexOf('high'); at >= 0; at = many.indexOf('high', at)) many.write('EVIL', at)
    const found = jsonLines(await verify([fileOf(many), '--json'])).filter(({ kind }) => kind === 'corrupt')
    const offsets = found.map((finding) => Number(finding.offset))
    expect(offsets).toHaveLength(packets)
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
  })

  it('does not look at the checksums of other tools, which are often not filled in', async () => {
    const packet = replaced(asPcap(HIGH), 'high', 'EVIL')
    expect(await verify([fileOf(packet)])).toMatchObject({ code: 0 })
    const foreign = replaced(replaced(HIGH, 'high', 'EVIL'), 'tidegate test', 'capturer 1.23')
    expect(await verify([fileOf(foreign)])).toMatchObject({ code: 0 })
  })

  it('finds any single bit that is flipped in any packet', async () => {
    const address = fc.constantFrom('127.0.0.1:5000', '[2001:db8::1]:5000', 'unix:/run/app.sock')
    const said = fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 200 })), {
      minLength: 1,
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(address, said, fc.nat(), fc.nat(), async (client, chunks, whichPacket, whichBit) => {
        const file = recorded((tape) => {
          const one = tape.connect(1, client)
          for (const [up, chunk] of chunks) tape.say(one, up ? 'upstream' : 'downstream', chunk)
          tape.hangUp(one)
        })
        const run = async (bytes: Uint8Array) => {
          const stdin = (async function* () {
            yield bytes
          })()
          return (await verify(['-'], { stdin })).code
        }
        expect(await run(file)).toBe(0)
        const packets = packetsOf(file)
        const packet = packets[whichPacket % packets.length]
        if (packet === undefined) throw new Error('no packets')
        const bit = whichBit % (packet.data.length * 8)
        const at = packet.offset + DATA_AT + (bit >> 3)
        const flipped = file.slice()
        flipped[at] = (file[at] ?? 0) ^ (1 << (bit & 7))
        expect(await run(flipped)).toBe(1)
      }),
      { numRuns: 200 },
    )
  })
})

/** The start of the last record, and where the file ends. */
const torn = (whole: Uint8Array, missing: number) => whole.subarray(0, whole.length - missing)

describe('verify of a damaged file', () => {
  it('says where a file is cut short, and fails', async () => {
    const file = recorded((tape) => tape.say(tape.connect(1), 'upstream', 'cut off'))
    const ran = await verify([fileOf(torn(file, 3))])
    expect(ran.stdout).toMatch(
      /^unfinished: .*\ndamage: cut short at byte \d+: .*\nfailed: 1 connection \(1 unfinished\), 0 B, no holes\n$/,
    )
    expect(ran).toMatchObject({ stderr: '', code: 1 })
  })

  it('tells of a connection whose ledger was torn off', async () => {
    const ran = await verify([fileOf(torn(PING_PONG, 3)), '--repair'])
    expect(ran.stdout).toMatch(
      /^repaired: .*\nok: 1 connection, 13 B, no holes, 1 connection without a ledger\n$/,
    )
    expect(ran.code).toBe(0)
  })

  it('says where a file is damaged inside', async () => {
    const bytes = PING_PONG.slice()
    // The length at the end of the first block.
    bytes[new DataView(bytes.buffer).getUint32(4, true) - 2] = 0xff
    const ran = await verify([fileOf(bytes), '--json'])
    expect(jsonLines(ran)).toMatchObject([
      { kind: 'summary', ok: false, damage: { offset: expect.any(Number), torn: false } },
    ])
    expect(ran.code).toBe(1)
  })
})

describe('verify --repair', () => {
  it.each([
    ['pcapng', PING_PONG],
    ['pcap', asPcap(PING_PONG)],
    ['gogetway', FRAMES],
  ])('cuts the torn end of %s, wherever it is torn', async (_, whole) => {
    const cuts = new Set<number>()
    for (let missing = 1; missing <= 50; missing++) {
      const path = fileOf(torn(whole, missing))
      const before = statSync(path).size
      const ran = await verify([path, '--repair'])
      expect(ran).toMatchObject({ code: 0, stderr: '' })
      const told = /^repaired: (\d+) bytes? of a torn record cut off at byte (\d+)\n/m.exec(ran.stdout)
      const size = statSync(path).size
      expect(before - size).toBe(Number(told?.[1] ?? 0))
      expect(readFileSync(path).equals(whole.subarray(0, size))).toBe(true)
      const again = await verify([path])
      expect(again.code).toBe(0)
      expect(again.stdout).not.toContain('damage')
      cuts.add(size)
    }
    // Not one cut for all: each at the end of its own last whole record.
    expect([...cuts].every((size) => size < whole.length)).toBe(true)
  })

  it('leaves a whole file as it is', async () => {
    const path = fileOf(PING_PONG)
    expect(await verify([path, '--repair'])).toMatchObject({
      code: 0,
      stdout: 'ok: 1 connection, 13 B, no holes\n',
    })
    expect(readFileSync(path).equals(PING_PONG)).toBe(true)
  })

  it('tells of the cut in JSON', async () => {
    const ran = await verify([fileOf(torn(FRAMES, 1)), '--repair', '--json'])
    const offset = encodeGogetwayFrame({
      timeNs: 1n,
      type: 1,
      from: 'a:1',
      to: 'b:2',
      body: utf8('hello'),
    }).length
    expect(jsonLines(ran)).toMatchObject([
      { kind: 'summary', ok: true, damage: null, cut: { offset, cutBytes: FRAMES.length - 1 - offset } },
    ])
  })

  it('never cuts what is damaged inside', async () => {
    const bytes = Buffer.concat([FRAMES, utf8('garbage that is long enough'), FRAMES])
    const path = fileOf(bytes)
    const ran = await verify([path, '--repair'])
    expect(ran.stdout).toMatch(/^damage: damaged at byte \d+: /)
    expect(ran.stderr).toMatch(/^tidegate: '.*' is not repaired: only a file that is cut short can be, .*\n$/)
    expect(ran.code).toBe(1)
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  it('never cuts a file down to nothing', async () => {
    const bytes = PING_PONG.subarray(0, 20)
    const path = fileOf(bytes)
    expect(await verify([path, '--repair'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not repaired: it has no whole record'),
    })
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  it('cuts the zeros that a power failure leaves, however many', async () => {
    const path = fileOf(Buffer.concat([PING_PONG, Buffer.alloc(20 * 1024 * 1024)]))
    expect(await verify([path, '--repair'])).toMatchObject({ code: 0 })
    expect(readFileSync(path).equals(PING_PONG)).toBe(true)
  })

  it('never takes a damaged length for a torn end', async () => {
    // A block that claims 64 MiB, in a file that ends inside it after 20: a kill tears less.
    const head = new Uint8Array(8)
    new DataView(head.buffer).setUint32(0, 0x0bad, true)
    new DataView(head.buffer).setUint32(4, 64 * 1024 * 1024, true)
    const bytes = Buffer.concat([PING_PONG, head, Buffer.alloc(20 * 1024 * 1024, 1)])
    const path = fileOf(bytes)
    expect(await verify([path, '--repair'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not repaired: only a file that is cut short can be'),
    })
    expect(statSync(path).size).toBe(bytes.length)
  })

  it.runIf(process.platform === 'linux')('never cuts a file that is being recorded to', async () => {
    const path = fileOf(torn(PING_PONG, 3))
    const { dev, ino } = statSync(path)
    const recorder = createServer().listen({ path: `\0tidegate-recording-${dev}-${ino}` })
    await once(recorder, 'listening')
    onTestFinished(() => void recorder.close())
    const ran = await verify([path, '--repair'])
    expect(ran).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is being recorded to right now'),
    })
    expect(statSync(path).size).toBe(PING_PONG.length - 3)
  })

  it('never cuts a file that grows while it is at it', async () => {
    const path = fileOf(torn(PING_PONG, 3))
    const before = statSync(path, { bigint: true })
    const handle = await open(path)
    const stats = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'stat')
    onTestFinished(() => stats.mockRestore())
    await handle.close()
    // A writer that takes no lock, just after the length was asked for.
    stats.mockImplementationOnce(async () => {
      appendFileSync(path, PING_PONG.subarray(-3))
      return before as never
    })
    const damage = {
      kind: 'damage',
      file: path,
      offset: 400,
      message: 'torn',
      torn: true,
      compressed: false,
      bytesRead: Number(before.size),
    } as const
    await expect(cutTail(damage)).rejects.toThrow(`'${path}' is not repaired: it is being written`)
    expect(readFileSync(path).equals(PING_PONG)).toBe(true)
  })

  it('needs files', async () => {
    expect(await verify(['-', '--repair'])).toMatchObject({
      code: 2,
      stderr: 'tidegate: --repair needs files: stdin cannot be cut\n',
    })
  })
})
