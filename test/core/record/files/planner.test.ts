import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../../src/core/address.js'
import { encodeSectionStart } from '../../../../src/core/codec/pcapng/writer.js'
import { decodeAnnotation } from '../../../../src/core/record/annotation.js'
import { Planner, type PlannerOptions } from '../../../../src/core/record/files/planner.js'
import type { TargetFile } from '../../../../src/core/record/files/targets.js'
import type { RecorderOptions } from '../../../../src/core/record/recorder.js'
import { Harness, streamNumber } from '../harness.js'
import { concat, type ParsedPacket, parseFile, pattern } from '../parse.js'

const SECTION_START = encodeSectionStart('tidegate test', [
  { linkType: 101, name: 'one', description: '' },
  { linkType: 101, name: 'two', description: '' },
])
const NEVER = Number.POSITIVE_INFINITY

/** A recorder whose slabs a planner spreads over files in memory. */
class Series extends Harness {
  readonly files: { readonly key: string; bytes: Uint8Array; ended: boolean }[] = []
  readonly planner: Planner
  readonly #parsed = new Map<Uint8Array, readonly ParsedPacket[]>()
  readonly #known = new Map<TargetFile, Series['files'][number]>()

  constructor(options: Partial<PlannerOptions> = {}, recorder: Partial<RecorderOptions> = {}) {
    super(recorder)
    this.planner = new Planner({
      sectionStart: SECTION_START,
      splitsBy: [],
      sequenceSalt: 1,
      rotateBytes: null,
      rotateMs: null,
      maxFiles: NEVER,
      ...options,
    })
  }

  /** Plans and stores one slab; with `failure` it is planned and taken back. */
  override write(failure: string | null = null): boolean {
    const slab = this.recorder.take(true)
    if (slab === null) return false
    const works = this.planner.plan(slab.contents, this.nowMs)
    if (failure === null) this.#carryOut(works)
    else this.planner.rollback()
    this.recorder.settle(failure, this.nowMs)
    return true
  }

  /** Stores what was taken already, in place of the next {@link write}. */
  storeTaken(contents: Uint8Array): void {
    this.#carryOut(this.planner.plan(contents, this.nowMs))
    this.recorder.settle(null, this.nowMs)
  }

  endDue(): void {
    this.#carryOut(this.planner.endDue(this.nowMs))
  }

  endAll(): void {
    this.#carryOut(this.planner.endAll(this.nowMs))
  }

  #carryOut(works: ReturnType<Planner['plan']>): void {
    for (const { file, begins, ends, parts, bytes } of works) {
      if (begins) {
        const made = { key: file.target.key, bytes: new Uint8Array(0), ended: false }
        this.#known.set(file, made)
        this.files.push(made)
      }
      const known = this.#known.get(file)!
      expect(known.ended).toBe(false)
      const before = known.bytes.length
      known.bytes = concat([known.bytes, ...parts])
      expect(known.bytes.length).toBe(before + bytes)
      expect(known.bytes.length).toBe(file.size)
      known.ended = ends
    }
    this.planner.commit()
  }

  packetsOf(index: number) {
    const { bytes } = this.files[index]!
    const packets = this.#parsed.get(bytes) ?? parseFile(bytes).packets
    this.#parsed.set(bytes, packets)
    return packets
  }

  annotationsOf(index: number) {
    return this.packetsOf(index).flatMap(({ comments }) => comments.map(decodeAnnotation))
  }

  /** The bytes of one direction in all files, in order, by where each packet came from. */
  stream(source: string): Uint8Array {
    return concat(
      this.files.flatMap((_, index) =>
        this.packetsOf(index)
          .filter((packet) => packet.source === source)
          .map(({ payload }) => payload),
      ),
    )
  }
}

const LIMIT = 64 * 1024

describe('files that are rotated by size', () => {
  it('stay within it, take every byte, and hand each connection over with the right numbers', () => {
    const series = new Series({ rotateBytes: LIMIT })
    const connection = series.open(7)
    for (let n = 0; n < 40; n++) {
      series.send(connection, 'upstream', 6000)
      series.send(connection, 'downstream', 100)
      if (n % 3 === 0) series.writeAll()
    }
    series.fin(connection, 'upstream')
    series.fin(connection, 'downstream')
    series.recorder.close(connection, 'client_fin', series.nowMs)
    series.writeAll()
    series.endAll()

    expect(series.files.length).toBeGreaterThan(3)
    for (const { bytes, ended } of series.files) {
      expect(ended).toBe(true)
      expect(bytes.length).toBeLessThanOrEqual(LIMIT)
    }
    const source = series.packetsOf(0)[0]!.source
    const destination = series.packetsOf(0)[0]!.destination
    expect(series.stream(source)).toEqual(pattern(streamNumber(7, 'upstream'), 0, 40 * 6000))
    expect(series.stream(destination)).toEqual(pattern(streamNumber(7, 'downstream'), 0, 4000))

    let position = { upstream: 0, downstream: 0 }
    series.files.forEach((_, index) => {
      const packets = series.packetsOf(index)
      expect(packets.every(({ checksumsRight }) => checksumsRight)).toBe(true)
      const annotations = series.annotationsOf(index)
      const opened = annotations[0]
      expect(opened).toMatchObject({ kind: 'open', id: 7, client: '127.0.0.1:40000', listener: 'one' })
      if (index > 0) expect(opened).toMatchObject({ continues: position })
      const said = (from: string): number =>
        packets
          .filter((packet) => packet.source === from)
          .reduce((sum, { payload }) => sum + payload.length, 0)
      position = {
        upstream: position.upstream + said(source),
        downstream: position.downstream + said(destination),
      }
      const isLast = index === series.files.length - 1
      expect(annotations.at(-1)).toMatchObject(
        isLast ? { kind: 'close', id: 7 } : { kind: 'continue', id: 7, ...position },
      )
      // Each direction's numbers go on where they were.
      let next: number | null = null
      for (const packet of packets.filter((each) => each.source === source)) {
        if (next !== null && !packet.flags.includes('syn')) expect(packet.seq).toBe(next)
        const counts = packet.payload.length + (/syn|fin/.test(packet.flags) ? 1 : 0)
        next = (packet.seq + counts) >>> 0
      }
    })
  })

  it('have at least one packet, however large it is', () => {
    const series = new Series({ rotateBytes: 1 })
    const connection = series.open(1)
    for (let n = 0; n < 3; n++) series.send(connection, 'upstream', 50_000)
    series.writeAll()
    series.endAll()
    expect(series.stream(series.packetsOf(0)[0]!.source)).toHaveLength(150_000)
    for (let index = 0; index < series.files.length; index++)
      expect(series.packetsOf(index).length).toBeGreaterThan(0)
  })
})

describe('files that are rotated by time', () => {
  it('end with their period, with and without traffic, and know only the connections that spoke', () => {
    const series = new Series({ rotateMs: 1000 })
    const [quiet, loud] = [series.open(1), series.open(2, parseAddress('127.0.0.1:40001'))]
    series.send(quiet, 'upstream', 5)
    series.send(loud, 'upstream', 6)
    series.writeAll()
    series.nowMs += 999
    series.endDue()
    expect(series.files.map(({ ended }) => ended)).toEqual([false])
    series.nowMs += 1
    series.send(loud, 'upstream', 7)
    series.writeAll()
    expect(series.files.map(({ ended }) => ended)).toEqual([true, false])
    expect(series.annotationsOf(0).filter((each) => each?.kind === 'continue')).toHaveLength(2)
    expect(series.annotationsOf(1)).toEqual([
      expect.objectContaining({ kind: 'open', id: 2, continues: { upstream: 6, downstream: 0 } }),
    ])
    series.nowMs += 1000
    series.endDue()
    expect(series.files.map(({ ended }) => ended)).toEqual([true, true])
    expect(series.annotationsOf(1).at(-1)).toEqual({ kind: 'continue', id: 2, upstream: 13, downstream: 0 })
  })

  it('tells the next file of a direction that has ended by a FIN, and nobody of connections that have', () => {
    const series = new Series({ rotateMs: 1000 })
    const [half, over] = [series.open(1), series.open(2, parseAddress('127.0.0.1:40001'))]
    series.send(half, 'upstream', 5)
    series.fin(half, 'upstream')
    series.recorder.close(over, 'client_reset', series.nowMs)
    series.writeAll()
    series.writeAll()
    series.nowMs += 1000
    series.send(half, 'downstream', 3)
    series.writeAll()
    expect(series.annotationsOf(0).filter((each) => each?.kind === 'continue')).toEqual([
      { kind: 'continue', id: 1, upstream: 5, downstream: 0 },
    ])
    const [opened, fin, data] = series.packetsOf(1)
    expect([opened!.flags, fin!.flags, data!.flags]).toEqual(['ack', 'fin ack', 'psh ack'])
    expect(fin!.seq).toBe(opened!.seq)
    expect(data!.seq).toBe(opened!.ack)
    expect(data!.ack).toBe((fin!.seq + 1) >>> 0)
  })
})

describe('files that are split', () => {
  it('by client have one each, and those written to longest ago end where there are too many', () => {
    const series = new Series({ splitsBy: ['client'], maxFiles: 2 })
    const connections = [1, 2, 3].map((n) => series.open(n, parseAddress(`10.0.0.${n}:5000`)))
    series.writeAll()
    expect(series.files.map(({ key }) => key)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    expect(series.files.map(({ ended }) => ended)).toEqual([true, false, false])
    series.send(connections[0]!, 'upstream', 10)
    series.writeAll()
    expect(series.files.map(({ ended }) => ended)).toEqual([true, true, false, false])
    expect(series.annotationsOf(3)[0]).toMatchObject({ id: 1, continues: { upstream: 0, downstream: 0 } })
  })

  it('by listener put the same ends, used again, where the new connection belongs', () => {
    const series = new Series({ splitsBy: ['listener'] })
    const first = series.open(1)
    series.recorder.close(first, 'client_reset', series.nowMs)
    series.writeAll()
    series.writeAll()
    const second = series.open(2, undefined, undefined, 'two')
    series.send(second, 'downstream', 4)
    series.writeAll()
    expect(series.files.map(({ key }) => key)).toEqual(['one', 'two'])
    expect(series.annotationsOf(1)).toEqual([expect.objectContaining({ kind: 'open', id: 2 })])
  })
})

describe('a write that fails', () => {
  it('leaves everything as it was: the next is as if it had not been', () => {
    const options = { rotateBytes: LIMIT / 8, rotateMs: 1000, splitsBy: ['client'] } as const
    const run = (failing: boolean) => {
      const series = new Series(options)
      const connections = [1, 2, 3].map((n) => series.open(n, parseAddress(`10.0.0.${n}:5000`)))
      series.writeAll()
      for (let n = 0; n < 30; n++) {
        series.nowMs += 200
        const connection = connections[n % 3]!
        series.send(connection, 'upstream', 2000)
        if (n === 20) series.recorder.close(connections[1]!, 'client_reset', series.nowMs)
        if (failing) {
          // The same bytes, several times in vain.
          const slab = series.recorder.take(true)!
          for (let tries = 0; tries < 3; tries++) {
            series.planner.plan(slab.contents, series.nowMs + tries * 5000)
            series.planner.rollback()
          }
          series.planner.endDue(series.nowMs + 5000)
          series.planner.rollback()
          series.storeTaken(slab.contents)
        }
        series.writeAll()
      }
      series.endAll()
      return series.files
    }
    const withoutNumber = (files: ReturnType<typeof run>) =>
      files.map((file) => ({ ...file, bytes: parseFile(file.bytes).packets }))
    expect(withoutNumber(run(true))).toEqual(withoutNumber(run(false)))
  })

  it('is followed by the truth: lost bytes are skipped in the numbers of the next file', () => {
    const series = new Series({ rotateMs: 1000 })
    const connection = series.open(1)
    series.send(connection, 'upstream', 100)
    series.write('write failed: ENOSPC')
    series.nowMs += 1000
    series.send(connection, 'upstream', 10)
    series.writeAll()
    series.nowMs += 1000
    series.send(connection, 'upstream', 1)
    series.writeAll()
    // The store's and the recorder's own: neither knows what the other says.
    expect(series.annotationsOf(0)).toEqual([
      expect.objectContaining({ kind: 'open', id: 1 }),
      expect.objectContaining({ kind: 'open', id: 1 }),
      expect.objectContaining({ kind: 'gap', at: 0, length: 100 }),
      { kind: 'continue', id: 1, upstream: 110, downstream: 0 },
    ])
    expect(series.annotationsOf(1)[0]).toMatchObject({ continues: { upstream: 110, downstream: 0 } })
    const [opened, data] = series.packetsOf(1)
    expect(data!.seq).toBe(opened!.seq)
  })
})

it('knows whose a packet is, although the write that said so was lost', () => {
  const series = new Series({ splitsBy: ['client'] })
  const connection = series.open(1)
  const lost = series.recorder.take(true)!
  series.send(connection, 'downstream', 10)
  const next = series.recorder.take(true)!
  series.planner.plan(lost.contents, series.nowMs)
  series.planner.rollback()
  series.recorder.settle('write failed: ENOSPC', series.nowMs)
  series.storeTaken(next.contents)
  series.recorder.close(connection, 'client_reset', series.nowMs)
  series.writeAll()
  series.writeAll()
  expect(series.files.map(({ key }) => key)).toEqual(['127.0.0.1'])
  const opened = { kind: 'open', id: 1, listener: 'one', client: '127.0.0.1:40000', server: '10.0.0.1:6379' }
  expect(series.annotationsOf(0)).toEqual([opened, opened, expect.objectContaining({ kind: 'close' })])
})

describe('connections that are never seen to close', () => {
  it('are forgotten with their seat, and others are not', () => {
    const series = new Series({ splitsBy: ['client'] })
    const plan = (seat: number): void => {
      const slab = series.recorder.take(true)!
      series.planner.plan(slab.contents, series.nowMs, seat)
      series.planner.commit()
      series.recorder.settle(null, series.nowMs)
    }
    for (let round = 0; round < 3; round++) {
      for (let id = 1; id <= 50; id++)
        series.open(round * 100 + id, parseAddress(`10.0.${round}.${id}:40000`), parseAddress('10.0.0.1:80'))
      plan(round === 0 ? 0 : 1)
      series.planner.left(1)
      expect(series.planner.connections).toBe(50)
    }
    const works = series.planner.endAll(series.nowMs)
    const ids = works.flatMap(({ parts }) =>
      parts.flatMap((part) => [
        ...new TextDecoder().decode(part).matchAll(/tidegate continue \{"id":(\d+)/g),
      ]),
    )
    expect(ids.map(([, id]) => Number(id)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, index) => index + 1),
    )
  })

  it('there are none of, though most of what they said was dropped', () => {
    const series = new Series({ splitsBy: ['client'] }, { overload: 'drop' })
    for (let id = 1; id <= 500; id++) {
      const track = series.open(id, parseAddress(`10.0.0.${1 + (id % 200)}:${id}`))
      series.send(track, 'upstream', 10_000)
      series.recorder.close(track, 'client_reset', series.nowMs)
      // Now and then the sink takes all there is.
      if (id % 250 === 0) series.writeAll()
    }
    series.writeAll()
    series.writeAll()
    expect(series.recorder.counters().lostBytes).toBeGreaterThan(0)
    expect([series.planner.connections, series.recorder.waitingCloses]).toEqual([0, 0])
  })
})

it('refuses what is no block', () => {
  const { planner } = new Series()
  expect(() => planner.plan(new Uint8Array(16), 0)).toThrow('no whole pcapng block at byte 0')
})
