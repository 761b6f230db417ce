/**
 * A disk that takes some writes and refuses others, whose answers the recorder hears late: what is on its way meanwhile speaks of
 * connections whose beginning may be lost. Whatever the order, what can be read is what was recorded, and `verify` says of each byte
 * that is missing why it is.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RemindingStore } from '../../../src/control/recording/reminding-store.js'
import { SectionStore } from '../../../src/control/recording/section-store.js'
import { parseAddress } from '../../../src/core/address.js'
import { encodeSectionStart } from '../../../src/core/codec/pcapng/writer.js'
import type { Direction } from '../../../src/core/direction.js'
import { encodeRecordingComment } from '../../../src/core/record/annotation.js'
import { Planner } from '../../../src/core/record/files/planner.js'
import { Takeover } from '../../../src/core/record/files/takeover.js'
import type { TargetFile } from '../../../src/core/record/files/targets.js'
import type { Slab } from '../../../src/core/record/slab.js'
import type { ConnectionTrack } from '../../../src/core/record/track.js'
import { createVerifier, type Finding, openRecording } from '../../../src/recording.js'
import { Harness, SERVER, streamNumber } from '../../core/record/harness.js'
import { concat, pattern } from '../../core/record/parse.js'
import { type Scope, testScope } from '../../support/scope.js'

const direction = fc.constantFrom<Direction>('upstream', 'downstream')
const who = fc.nat(7)
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('data' as const), who, direction, length: fc.nat(3000) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fin' as const), who, direction }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const), who }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  // Two of five fail.
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('settle' as const), fails: fc.nat(4).map((n) => n < 2) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
const steps = fc.array(step, { minLength: 40, maxLength: 250, size: 'max' })

const SALT = 1
const SECTION_START = encodeSectionStart(
  'tidegate test',
  [
    { linkType: 101, name: 'one', description: '' },
    { linkType: 101, name: 'two', description: '' },
  ],
  encodeRecordingComment('11111111-1111-1111-1111-111111111111'),
)
/** Small, so that connections go on in many files. */
const FILE_BYTES = 12_000
/** Slabs that are on their way to the disk at a time. */
const UNANSWERED = 3

/** Files in memory, which a write goes to as its kind of store has it. A write that fails has to leave everything as it was. */
interface Disk {
  readonly files: readonly Uint8Array[]
  /** Each is also read alone, as if there were no other. */
  readonly areWhole?: true
  write(bytes: Uint8Array, fails: boolean, nowMs: number): void
}

const full = (): Error => Object.assign(new Error('no space'), { code: 'ENOSPC' })

/** All in one file. */
const oneFile = (): Disk => {
  const written: Uint8Array[] = []
  let refuses = false
  const memory = {
    where: 'memory',
    write: (bytes: Uint8Array): void => {
      if (refuses) throw full()
      written.push(bytes.slice())
    },
    close: () => {},
  }
  const store = new RemindingStore(new SectionStore(memory, SECTION_START), SALT)
  return {
    get files() {
      return [concat(written)]
    },
    write: (bytes, fails) => {
      refuses = fails
      expect(store.write(bytes)).toBeUndefined()
    },
  }
}

const manyFiles = (rotateBytes: number | null): Disk => {
  const files = new Map<TargetFile, Uint8Array[]>()
  const planner = new Planner({
    ...{ sectionStart: SECTION_START, splitsBy: [], sequenceSalt: SALT },
    ...{ rotateBytes, rotateMs: null, maxFiles: 100 },
  })
  return {
    get files() {
      return [...files.values()].map(concat)
    },
    write: (bytes, fails, nowMs) => {
      const works = planner.plan(bytes, nowMs)
      if (fails) {
        planner.rollback()
        throw full()
      }
      for (const { file, parts } of works) {
        const written = files.get(file) ?? []
        files.set(file, written)
        written.push(...parts.map((part) => part.slice()))
      }
      planner.commit()
    },
  }
}

/** Segments as the spool makes them; one that nothing could be written to is not kept. */
const segments = (): Disk => {
  const takeover = new Takeover(SALT)
  const files: Uint8Array[] = []
  let current: number | null = null
  return {
    files,
    areWhole: true,
    write: (bytes, fails) => {
      const length = current === null ? 0 : files[current]!.length
      if (current === null || length + bytes.length > FILE_BYTES) {
        current = files.push(SECTION_START) - 1
        takeover.nextFile()
      }
      const parts = [...takeover.introductions(bytes, 0), bytes]
      if (fails) {
        takeover.rollback()
        if (files[current] === SECTION_START) {
          files.pop()
          current = null
        }
        throw full()
      }
      files[current] = concat([files[current]!, ...parts])
      takeover.commit()
    },
  }
}

/** Plays the steps, with the recorder hearing of its writes late; then the disk has room, and takes what there is. */
const play = (harness: Harness, disk: Disk, script: readonly Step[]): readonly ConnectionTrack[] => {
  const all: ConnectionTrack[] = []
  const open: ConnectionTrack[] = []
  const taken: Slab[] = []
  const settle = (fails: boolean): void => {
    const slab = taken.shift()
    if (slab === undefined) return
    let failure: string | null = null
    try {
      disk.write(slab.contents, fails, harness.nowMs)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
      failure = 'write failed: ENOSPC'
    }
    harness.recorder.settle(failure, harness.nowMs)
  }
  for (const step of script) {
    harness.nowMs += 1
    const connection = 'who' in step ? open[step.who % Math.max(1, open.length)] : undefined
    if (step.do === 'open') {
      const client = parseAddress(`10.0.0.2:${1000 + all.length}`)
      const opened = harness.open(all.length + 1, client, SERVER)
      all.push(opened)
      open.push(opened)
    } else if (step.do === 'take') {
      const slab = taken.length < UNANSWERED ? harness.recorder.take(true) : null
      if (slab !== null) taken.push(slab)
    } else if (step.do === 'settle') settle(step.fails)
    else if (connection === undefined) continue
    else if (step.do === 'data') {
      // Nothing follows a FIN.
      if (connection[step.direction].fin === 'none') harness.send(connection, step.direction, step.length)
    } else if (step.do === 'fin') harness.fin(connection, step.direction)
    else {
      open.splice(open.indexOf(connection), 1)
      harness.recorder.close(connection, 'client_reset', harness.nowMs)
    }
  }
  while (taken.length > 0) settle(false)
  for (const connection of open) harness.recorder.close(connection, 'killed', harness.nowMs)
  for (;;) {
    harness.recorder.retryCloses()
    const slab = harness.recorder.take(true)
    if (slab === null) break
    taken.push(slab)
    settle(false)
  }
  return all
}

interface Read {
  /** Of each direction of each of the gateway's connections: bytes that are there, each where it belongs and once. */
  readonly bytes: ReadonlyMap<string, number>
  readonly findings: readonly Finding[]
}

const readBack = async (sources: string, expected: ReadonlyMap<string, Uint8Array>): Promise<Read> => {
  const recording = await openRecording(sources)
  const verifier = createVerifier(true)
  const findings: Finding[] = []
  const ids = new Map<number, number | undefined>()
  const found = new Map<string, Uint8Array>()
  const events = recording.events((record) => void findings.push(...verifier.inspect(record)))
  for await (const event of events) {
    findings.push(...verifier.push(event))
    if (event.kind === 'open') ids.set(event.connection, event.id)
    if (event.kind !== 'data') continue
    const { at, bytes } = event
    const key = `${ids.get(event.connection)} ${event.direction}`
    const whole = expected.get(key)
    if (whole === undefined || Buffer.compare(bytes, whole.subarray(at, at + bytes.length)) !== 0)
      throw new Error(`${key} has something else at ${at}`)
    const has = found.get(key) ?? new Uint8Array(whole.length)
    found.set(key, has)
    if (has.subarray(at, at + bytes.length).includes(1)) throw new Error(`${key} at ${at} is there twice`)
    has.fill(1, at, at + bytes.length)
  }
  findings.push(...verifier.end())
  expect(recording.damage).toBe(null)
  expect(recording.skipped).toBe(0)
  const countOf = (has: Uint8Array): number => has.reduce((sum, one) => sum + one, 0)
  return { bytes: new Map([...found].map(([key, has]) => [key, countOf(has)])), findings }
}

let runs = 0
const check = async (scope: Scope, harness: Harness, disk: Disk, all: readonly ConnectionTrack[]) => {
  const folder = scope.tempDir()
  const name = (index: number): string => join(folder, `${String(index).padStart(4, '0')}.pcapng`)
  // Segments have no numbers inside: whoever reads them has them in order.
  const files = disk.areWhole ? [concat(disk.files)] : disk.files
  for (const [index, file] of files.entries()) writeFileSync(name(index), file)
  if (all.length === 0 || files[0]?.length === 0) return
  runs++
  const streams = all.flatMap(({ upstream, downstream }) => [upstream, downstream])
  const keyOf = (stream: (typeof streams)[number]): string =>
    `${stream.connection.spec.id} ${stream.direction}`
  const sent = new Map(
    streams.map((stream) => [
      keyOf(stream),
      pattern(streamNumber(stream.connection.spec.id, stream.direction), 0, stream.ledger.seen),
    ]),
  )
  if (disk.areWhole)
    for (const file of disk.files) {
      const alone = join(scope.tempDir(), 'segment.pcapng')
      writeFileSync(alone, file)
      await readBack(alone, sent)
    }
  const { bytes, findings } = await readBack(folder, sent)
  for (const stream of streams)
    expect(bytes.get(keyOf(stream)) ?? 0, keyOf(stream)).toBe(stream.ledger.entry().stored)
  const holes = findings.filter((finding) => finding.kind === 'hole')
  expect(findings.filter((finding) => !holes.includes(finding as (typeof holes)[number]))).toEqual([])
  expect(holes.filter(({ why }) => why !== 'write failed: ENOSPC')).toEqual([])
  const { lostBytes, unclosed } = harness.recorder.counters()
  expect(unclosed).toBe(0)
  expect(holes.reduce((sum, { length }) => sum + length, 0)).toBe(lostBytes)
}

test.each<[string, () => Disk]>([
  ['one file', oneFile],
  ['a file that the planner knows', () => manyFiles(null)],
  ['files that follow one another', () => manyFiles(FILE_BYTES)],
  ['segments of a spool', segments],
])(
  'where writes fail, %s has what the ledger says, and verify says why the rest is missing',
  { retry: 0 },
  async (_, diskOf) => {
    const scope = testScope()
    runs = 0
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const harness = new Harness({ sequenceSalt: SALT, tuples: null })
        const disk = diskOf()
        await check(scope, harness, disk, play(harness, disk, script))
      }),
      // A script made shorter takes longer than there is time for; the seed plays it again.
      { numRuns: 50, endOnFailure: true },
    )
    expect(runs).toBeGreaterThan(0)
  },
)
