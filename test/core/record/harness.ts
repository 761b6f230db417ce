/** A recorder with a file in memory: a test says when the sink answers, and how. */

import { type Address, parseAddress } from '../../../src/core/address.js'
import { encodeSectionStart } from '../../../src/core/codec/pcapng/writer.js'
import type { Direction } from '../../../src/core/direction.js'
import {
  type Annotation,
  type CloseAnnotation,
  decodeAnnotation,
} from '../../../src/core/record/annotation.js'
import type { Capture } from '../../../src/core/record/capture.js'
import { Recorder, type RecorderOptions, type RecorderReport } from '../../../src/core/record/recorder.js'
import type { ConnectionTrack } from '../../../src/core/record/track.js'
import { sharedEnds, Tuples } from '../../../src/core/record/tuples.js'
import { concat, type ParsedPacket, parseFile, pattern } from './parse.js'

export const CLIENT = parseAddress('127.0.0.1:40000')
export const SERVER = parseAddress('10.0.0.1:6379')

export const streamNumber = (id: number, direction: Direction): number =>
  id * 2 + (direction === 'upstream' ? 0 : 1)

const SECTION_START = encodeSectionStart('tidegate test', [
  { linkType: 101, name: 'one', description: '' },
  { linkType: 101, name: 'two', description: '' },
])

export class Harness {
  readonly recorder: Recorder
  readonly file: Uint8Array[] = [SECTION_START]
  readonly log: string[] = []
  readonly reports: RecorderReport[] = []
  onDisconnect: ((connection: ConnectionTrack) => void) | null = null
  nowMs = 1_800_000_000_000

  constructor(options: Partial<RecorderOptions> = {}) {
    this.recorder = new Recorder(
      {
        interfaces: new Map([
          ['one', 0],
          ['two', 1],
        ]),
        overload: 'block',
        onFailure: 'continue',
        maxBufferedBytes: 1024 * 1024,
        sequenceSalt: 1,
        tuples: new Tuples(sharedEnds(), 0),
        ...options,
      },
      {
        holdAll: () => this.log.push('hold'),
        releaseAll: () => this.log.push('release'),
        hold: ({ spec }, isHeld) => this.log.push(`${isHeld ? 'hold' : 'release'} ${spec.id}`),
        disconnect: (connection, why) => {
          this.log.push(`disconnect ${connection.spec.id}: ${why}`)
          this.onDisconnect?.(connection)
        },
        report: (report) => {
          this.reports.push(report)
        },
      },
    )
  }

  open(
    id: number,
    client: Address = CLIENT,
    server: Address = SERVER,
    listener = 'one',
    capture?: Capture,
  ): ConnectionTrack {
    return this.recorder.open({ id, listener, client, server }, this.nowMs, capture)
  }

  /** The next `length` bytes of the stream's pattern. */
  send(connection: ConnectionTrack, direction: Direction, length: number): void {
    const at = connection[direction].ledger.seen
    const chunk = pattern(streamNumber(connection.spec.id, direction), at, length)
    this.recorder.data(connection, chunk, direction, this.nowMs)
    // The engine uses its buffer again.
    chunk.fill(0)
  }

  fin(connection: ConnectionTrack, direction: Direction): void {
    this.recorder.endOfStream(connection, direction, this.nowMs)
  }

  /** Lets the sink answer one write; false if there was none. */
  write(failure: string | null = null, partial = true): boolean {
    const slab = this.recorder.take(partial)
    if (slab === null) return false
    if (failure === null) this.file.push(slab.contents.slice())
    this.recorder.settle(failure, this.nowMs)
    return true
  }

  writeAll(): void {
    while (this.write());
  }

  contents(): Uint8Array {
    return concat(this.file)
  }

  packets(): readonly ParsedPacket[] {
    return parseFile(this.contents()).packets
  }

  annotations(): readonly Annotation[] {
    return this.packets()
      .flatMap(({ comments }) => comments.map(decodeAnnotation))
      .filter((annotation) => annotation !== null)
  }

  closes(): readonly CloseAnnotation[] {
    return this.annotations().filter((annotation) => annotation.kind === 'close')
  }
}
