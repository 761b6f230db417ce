/** The store that hands over frames, fed by a recorder. */

import { describe, expect, it } from 'vitest'
import { GroupStore } from '../../../../src/control/recording/groups/group-store.js'
import { ResourceGroups } from '../../../../src/control/recording/groups/resource-groups.js'
import { encodeStamp } from '../../../../src/control/recording/groups/stamp.js'
import { parseAddress } from '../../../../src/core/address.js'
import { LINK_TYPE } from '../../../../src/core/codec/link-types.js'
import { createPcapngReader } from '../../../../src/core/codec/pcapng/reader.js'
import { encodeSectionStart } from '../../../../src/core/codec/pcapng/writer.js'
import { Recorder } from '../../../../src/core/record/recorder.js'
import type { FrameFormat } from '../../../../src/core/resource/framing.js'
import type { Lock } from '../../../../src/core/resource/lock.js'
import type { WriteQueue } from '../../../../src/core/resource/write-queue.js'
import { SILENT } from '../../../../src/ports/logger.js'
import type { ConnectResource, ResourceConnection } from '../../../../src/ports/resource-group.js'
import { STORE_FIGURE, STORE_FIGURES } from '../../../../src/ports/store.js'
import { decodeGogetwayFrame } from '../../../../src/record.js'

const UTF8 = new TextEncoder()
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const rig = (
  resourceOf: (connection: ResourceConnection) => ConnectResource | Promise<ConnectResource>,
  format: FrameFormat = 'gogetway',
) => {
  const closed: number[] = []
  const groups = new ResourceGroups(SILENT)
  groups.set({
    getResource: (_context, connection) => {
      const onClose = () => closed.push(connection.id)
      const resource = resourceOf(connection)
      return resource instanceof Promise
        ? resource.then((later) => ({ resource: later, onClose }))
        : { resource, onClose }
    },
  })
  const figures = new Float64Array(STORE_FIGURES)
  const interfaces = ['zero', 'one'].map((name) => ({ linkType: LINK_TYPE.raw, name, description: '' }))
  const store = new GroupStore({
    where: 'here',
    groups,
    format,
    sectionStart: encodeSectionStart('test', interfaces),
    interfaces: new Map([
      ['zero', 0],
      ['one', 1],
    ]),
    recording: 'r',
    figures,
  })
  const recorder = new Recorder(
    {
      interfaces: new Map(),
      overload: 'block',
      onFailure: 'continue',
      maxBufferedBytes: 1024 * 1024,
      sequenceSalt: 1,
      tuples: null,
    },
    { holdAll: () => {}, releaseAll: () => {}, disconnect: () => {}, report: () => {} },
  )
  let serial = 0
  const open = (id: number, owner = 0) =>
    recorder.open(
      {
        id,
        listener: encodeStamp({
          group: groups.numberOf('one') ?? 0,
          owner,
          serial: ++serial,
          listener: 'one',
        }),
        client: parseAddress(`10.0.0.${id}:4000`),
        server: parseAddress('10.1.0.1:80'),
      },
      1000 + id,
    )
  /** Hands over what is recorded; null: at once. */
  const flush = (): Promise<void> | null => {
    const slab = recorder.take(true)
    if (slab === null) return null
    const written = store.write(slab.contents)
    if (written === undefined) {
      recorder.settle(null, 2000)
      return null
    }
    return written.then(() => recorder.settle(null, 2000))
  }
  const say = (track: ReturnType<typeof open>, text: string): void =>
    recorder.data(track, UTF8.encode(text), 'upstream', 1500)
  return { store, groups, recorder, open, flush, say, closed, figures }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a write of the store', () => {
  it('is done when each of its frames has been taken; one at a time per resource, resources side by side', async () => {
    const open: (() => void)[] = []
    const begun: string[] = []
    const { flush, say, closed, ...more } = rig(({ id }) => ({
      writeFunction: (framed) => {
        begun.push(`${id}: ${textOf(decodeGogetwayFrame(framed).body)}`)
        return new Promise<void>((resolve) => open.push(resolve))
      },
    }))
    const [one, two] = [more.open(1), more.open(2)]
    say(one, 'a')
    say(one, 'b')
    say(two, 'c')
    more.recorder.close(one, 'client_fin', 1600)
    let isDone = false
    void flush()?.then(() => {
      isDone = true
    })
    expect(begun).toEqual(['1: a', '2: c'])
    open.shift()?.()
    open.shift()?.()
    await turn()
    expect(begun).toEqual(['1: a', '2: c', '1: b'])
    expect(isDone).toBe(false)
    open.shift()?.()
    await turn()
    expect(isDone).toBe(true)
    expect(more.store.handedOver.frames).toBe(3)
    // The close is written once all before it is settled.
    expect(closed).toEqual([])
    expect(flush()).toBe(null)
    expect(closed).toEqual([1])
  })

  it('is done also when a function fails, which is counted', async () => {
    const { open, say, flush, store, figures } = rig(() => ({
      writeFunction: () => {
        throw new Error('no')
      },
    }))
    say(open(1), 'a')
    expect(flush()).toBe(null)
    expect(figures[STORE_FIGURE.functionFailures]).toBe(1)
    expect(store.handedOver).toEqual({ frames: 0, bytes: 0 })
  })

  it('waits for the resource', async () => {
    const said: string[] = []
    let found = (_resource: ConnectResource): void => {}
    const { open, say, flush } = rig(
      () =>
        new Promise((resolve) => {
          found = resolve
        }),
    )
    const one = open(1)
    say(one, 'a')
    say(one, 'b')
    const written = flush()
    expect(written).not.toBe(null)
    found({ writeFunction: (framed) => said.push(textOf(decodeGogetwayFrame(framed).body)) })
    await written
    expect(said).toEqual(['a', 'b'])
  })
})

describe('a lock or queue that is none', () => {
  const odd: readonly [string, ConnectResource][] = [
    ['a lock without methods', { writeFunction: () => {}, lock: {} as Lock }],
    ['a queue without methods', { writeFunction: () => {}, writeQueue: {} as WriteQueue }],
    [
      'a lock that throws',
      {
        writeFunction: () => {},
        lock: {
          increaseGetIndex: () => {
            throw new Error('no')
          },
        } as unknown as Lock,
      },
    ],
  ]

  it.each(odd)('%s is a failure of its connection alone', async (_name, resource) => {
    const taken: string[] = []
    const good = {
      writeFunction: (framed: Uint8Array) => taken.push(textOf(decodeGogetwayFrame(framed).body)),
    }
    const { open, say, flush, figures } = rig(({ id }) => {
      if (id === 3) return good
      return id === 1 ? resource : Promise.resolve(resource)
    })
    for (const [id, text] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ] as const)
      say(open(id), text)
    await flush()
    expect(taken).toEqual(['c'])
    expect(figures[STORE_FIGURE.functionFailures]).toBe(2)
  })
})

it('connections of a seat that is gone are over, and others are not', async () => {
  const { open, say, flush, store, closed, groups } = rig(() => ({ writeFunction: () => {} }))
  for (const [id, owner] of [
    [1, 0],
    [2, 1],
    [3, 1],
  ] as const)
    say(open(id, owner), 'a')
  void flush()
  expect(groups.connections).toBe(3)
  store.seatLeft(1)
  await turn()
  expect(closed).toEqual([2, 3])
  expect(groups.connections).toBe(1)
})

it('a connection whose group is closed already is counted as a failure', () => {
  const { open, say, flush, groups, figures } = rig(() => ({ writeFunction: () => {} }))
  say(open(1), 'a')
  groups.set(null)
  groups.settle(new Map())
  void flush()
  expect(figures[STORE_FIGURE.functionFailures]).toBe(1)
})

it('what is left when the store is closed is let go of', async () => {
  const open: (() => void)[] = []
  let calls = 0
  const { flush, say, store, closed, ...more } = rig(() => ({
    writeFunction: () => {
      calls++
      return new Promise<void>((resolve) => open.push(resolve))
    },
  }))
  const one = more.open(1)
  say(one, 'a')
  say(one, 'b')
  const written = flush()
  store.close()
  open.shift()?.()
  await written
  expect(calls).toBe(1)
  expect(closed).toEqual([1])
})

describe('packets', () => {
  it('are those of the recording, with the listener’s name and interface; the start is there again if its frame failed', () => {
    const frames: Uint8Array[] = []
    let failures = 2
    const { open, say, flush, recorder } = rig(
      () => ({
        writeFunction: (framed) => {
          if (failures-- > 0) throw new Error('no')
          frames.push(framed)
        },
      }),
      'pcapng',
    )
    const one = open(1)
    say(one, 'hello')
    void flush()
    recorder.close(one, 'client_fin', 1600)
    void flush()
    const reader = createPcapngReader()
    const records = [
      ...frames.flatMap((frame) => [...reader.push(frame)].map((record) => ({ ...record }))),
      ...reader.end(),
    ]
    expect(records.map(({ kind }) => kind)).toEqual([
      ...['section', 'interface', 'interface'],
      // The SYN and its answer failed.
      ...['packet', 'packet', 'packet'],
    ])
    for (const record of records) if (record.kind === 'packet') expect(record.interfaceIndex).toBe(1)
  })

  it('name the listener in their `open` annotation', () => {
    const frames: Uint8Array[] = []
    const { open, flush } = rig(
      () => ({ writer: { write: (framed: Uint8Array) => frames.push(framed) } }),
      'pcapng',
    )
    open(1)
    void flush()
    const [, , , syn] = [...createPcapngReader().push(frames[0]!)]
    expect(syn).toMatchObject({
      kind: 'packet',
      comments: ['tidegate open {"id":1,"listener":"one","client":"10.0.0.1:4000","server":"10.1.0.1:80"}'],
    })
  })
})
