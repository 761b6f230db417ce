/** A recording in several files, by hand: one run of a gateway, one connection that goes on from file to file. */

import type { PacketRecord, SectionRecord } from '../../../src/core/codec/capture.js'
import { encodeAnnotation, encodeRecordingComment } from '../../../src/core/record/annotation.js'
import { concat, Pcapng } from '../codec/builders.js'
import { down, handshake, up } from './builders.js'

const RUN = '0198c0de-0000-7000-8000-000000000001'

export const sectionOf = (run: string | null = RUN): SectionRecord => ({
  kind: 'section',
  offset: 0,
  application: 'other 1',
  comments: run === null ? [] : [encodeRecordingComment(run)],
})

const ENDS = { id: 7, listener: 'web', client: '10.0.0.1:40000', server: '10.0.0.2:80' } as const

export const openOf = (continues?: { upstream: number; downstream: number }): string =>
  encodeAnnotation({ kind: 'open', ...ENDS, ...(continues === undefined ? {} : { continues }) })

export const continueOf = (upstream: number, downstream: number): string =>
  encodeAnnotation({ kind: 'continue', id: 7, upstream, downstream })

const CLOSE = encodeAnnotation({
  kind: 'close',
  id: 7,
  reason: 'client_fin',
  upstream: { seen: 12, stored: 12, lost: [] },
  downstream: { seen: 6, stored: 6, lost: [] },
})

/** `one two six.` from the client, four bytes in each file; `abcdef` from the server, two in each. */
export const SERIES: readonly (readonly [SectionRecord, ...PacketRecord[]])[] = [
  [
    sectionOf(),
    ...handshake(openOf()),
    up({ seq: 101, ack: 501, data: 'one ' }),
    down({ seq: 501, ack: 105, data: 'ab' }),
    up({ seq: 105, ack: 503 }, continueOf(4, 2)),
  ],
  [
    sectionOf(),
    up({ seq: 105, ack: 503 }, openOf({ upstream: 4, downstream: 2 })),
    up({ seq: 105, ack: 503, data: 'two ' }),
    down({ seq: 503, ack: 109, data: 'cd' }),
    up({ seq: 109, ack: 505 }, continueOf(8, 4)),
  ],
  [
    sectionOf(),
    up({ seq: 109, ack: 505 }, openOf({ upstream: 8, downstream: 4 })),
    up({ seq: 109, ack: 505, data: 'six.' }),
    down({ seq: 505, ack: 113, data: 'ef' }),
    up({ flags: 'FA', seq: 113, ack: 507 }),
    down({ flags: 'FA', seq: 507, ack: 114 }),
    up({ seq: 114, ack: 508 }, CLOSE),
  ],
]

const little = new Pcapng('little')
const COMMENT = 1

const commentsOf = (comments: readonly string[]) =>
  comments.map((comment) => [COMMENT, new TextEncoder().encode(comment)] as const)

/** The files as bytes. */
export const SERIES_FILES: readonly Uint8Array[] = SERIES.map(([section, ...packets]) =>
  concat(
    little.section(commentsOf(section.comments)),
    little.interface(101),
    ...packets.map(({ timeNs, data, comments }) =>
      little.packet(0, timeNs, new Uint8Array(data), commentsOf(comments)),
    ),
  ),
)
