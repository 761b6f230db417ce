/** The store that hands over frames, fed by a recorder. */

import { describe, expect, it } from 'vitest'
import { GroupStore } from '../../../../src/control/recording/groups/group-store.js'
import { ResourceGroups } from '../../../../src/control/recording/groups/resource-groups.js'
import { encodeStamp } from '../../../../src/control/recording/groups/stamp.js'
import { parseAddress } from '../../../../src/core/address.js'
import { LINK_TYPE } from '../../../../src/core/codec/link-types.js'
import { createPcapngReader } from '../../../../src/core/codec/pcapng/reader.js'
import { encodeSectionStart } from '../../../../src/core/codec/pcapng/writer.js'
import { type OverloadPolicy, Recorder } from '../../../../src/core/record/recorder.js'
import { Room } from '../../../../src/core/resource/backlog.js'
import type { FrameFormat } from '../../../../src/core/resource/framing.js'
import { Lock } from '../../../../src/core/resource/lock.js'
import type { WriteContext } from '../../../../src/core/resource/write-function.js'
import { WriteQueue } from '../../../../src/core/resource/write-queue.js'
import { SILENT } from '../../../../src/ports/logger.js'
import type {
  ConnectResource,
  ResourceConnection,
  ResourceContext,
} from '../../../../src/ports/resource-group.js'
import { STORE_FIGURE, STORE_FIGURES } from '../../../../src/ports/store.js'
import { decodeGogetwayFrame, encodeGogetwayFrame } from '../../../../src/record.js'

const UTF8 = new TextEncoder()
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const rig = (
  resourceOf: (connection: ResourceConnection) => ConnectResource | Promise<ConnectResource>,
  format: FrameFormat = 'gogetway',
  closeTimeoutMs = 5,
  roomOptions = { softBytes: 1_000_000, onTheWayBytes: 1_000_000, spareBytes: 1_000_000 },
  overload: OverloadPolicy = 'block',
) => {
  const closed: number[] = []
  const presses: string[] = []
  const contexts: ResourceContext[] = []
  const room = new Room(roomOptions)
  const groups = new ResourceGroups(SILENT)
  groups.set({
    getResource: (context, connection) => {
      contexts.push(context)
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
    room,
    consequence: 'so what',
    closeTimeoutMs,
    press: (owner, { press, isSlow }) => presses.push(`${owner}/${press} ${isSlow ? 'slow' : 'keeps up'}`),
  })
  const recorder = new Recorder(
    {
      interfaces: new Map(),
      overload,
      onFailure: 'continue',
      maxBufferedBytes: 1024 * 1024,
      sequenceSalt: 1,
      tuples: null,
    },
    { holdAll: () => {}, releaseAll: () => {}, hold: () => {}, disconnect: () => {}, report: () => {} },
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
  /** Hands over what is recorded. Its memory is used for something else then. */
  const flush = (): void => {
    const slab = recorder.take(true)
    if (slab === null) return
    store.write(slab.contents)
    slab.bytes.fill(0xee)
    recorder.settle(null, 2000)
  }
  const say = (track: ReturnType<typeof open>, text: string): void =>
    recorder.data(track, UTF8.encode(text), 'upstream', 1500)
  return { store, groups, recorder, open, flush, say, closed, figures, presses, room, contexts }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Resources that take each frame when they are told to, and what they were given. */
const gated = () => {
  const waiting = new Map<number, (() => void)[]>()
  const begun: string[] = []
  const resourceOf = ({ id }: ResourceConnection): ConnectResource => {
    const own: (() => void)[] = []
    waiting.set(id, own)
    return {
      writeFunction: (framed) => {
        begun.push(`${id}: ${textOf(decodeGogetwayFrame(framed).body)}`)
        return new Promise<void>((resolve) => own.push(resolve))
      },
    }
  }
  const take = async (id: number): Promise<void> => {
    waiting.get(id)?.shift()?.()
    await turn()
  }
  return { resourceOf, begun, take }
}

describe('a write of the store', () => {
  it('hands each resource one frame at a time, resources side by side, and keeps nothing of the slab', async () => {
    const { resourceOf, begun, take } = gated()
    const { flush, say, closed, ...more } = rig(resourceOf)
    const [one, two] = [more.open(1), more.open(2)]
    say(one, 'a')
    say(one, 'b')
    say(two, 'c')
    more.recorder.close(one, 'client_fin', 1600)
    flush()
    // The close is written once all before it is settled.
    flush()
    expect(begun).toEqual(['1: a', '2: c'])
    await take(2)
    expect(begun).toEqual(['1: a', '2: c'])
    await take(1)
    expect(begun).toEqual(['1: a', '2: c', '1: b'])
    expect(closed).toEqual([])
    await take(1)
    expect(closed).toEqual([1])
    expect(more.store.handedOver.frames).toBe(3)
    expect(more.store.notHandedOver).toEqual({ waitingBytes: 0, lostBytes: 0 })
    expect([more.store.connections, more.room.usedBytes]).toEqual([1, 0])
  })

  it('counts a function that fails, and goes on', () => {
    const { open, say, flush, store, figures } = rig(() => ({
      writeFunction: () => {
        throw new Error('no')
      },
    }))
    say(open(1), 'a')
    flush()
    expect(figures[STORE_FIGURE.functionFailures]).toBe(1)
    expect(store.handedOver).toEqual({ frames: 0, bytes: 0 })
  })

  it('has the frames of a resource that is still being got wait for it', async () => {
    const said: string[] = []
    let found = (_resource: ConnectResource): void => {}
    const { open, say, flush, store, room } = rig(
      () =>
        new Promise((resolve) => {
          found = resolve
        }),
    )
    const one = open(1)
    say(one, 'a')
    say(one, 'b')
    flush()
    expect(store.notHandedOver).toEqual({ waitingBytes: 2, lostBytes: 0 })
    found({ writeFunction: (framed) => said.push(textOf(decodeGogetwayFrame(framed).body)) })
    await turn()
    expect(said).toEqual(['a', 'b'])
    expect([store.notHandedOver.waitingBytes, room.usedBytes]).toEqual([0, 0])
  })
})

describe('a resource that takes nothing', () => {
  /** A share is half of what is free, and at least 128 KiB. */
  const MUCH = 'x'.repeat(60_000)
  const TINY = { softBytes: 16_000, onTheWayBytes: 8000, spareBytes: 4000 }
  const CONNECTIONS = 200
  const SMALL = { softBytes: 300_000, onTheWayBytes: 100_000, spareBytes: 50_000 }

  it('presses on its connections, those too that come later, until it has taken what waited; others go on', async () => {
    const { resourceOf, begun, take } = gated()
    const shared = resourceOf({ id: 1 } as ResourceConnection)
    const { flush, say, open, presses } = rig(
      ({ id }) => (id === 9 ? resourceOf({ id } as ResourceConnection) : shared),
      'gogetway',
      5,
      SMALL,
    )
    const [one, other] = [open(1), open(9)]
    for (let frame = 0; frame < 2; frame++) {
      say(one, MUCH)
      flush()
      expect(presses).toEqual([])
    }
    say(one, MUCH)
    flush()
    expect(presses).toEqual(['0/1 slow'])
    open(2)
    flush()
    expect(presses).toEqual(['0/1 slow', '0/2 slow'])
    say(other, 'c')
    flush()
    await take(9)
    say(other, 'd')
    flush()
    await take(9)
    expect(begun.filter((each) => each.startsWith('9'))).toEqual(['9: c', '9: d'])
    for (let frame = 0; frame < 3; frame++) await take(1)
    expect(presses.slice(2)).toEqual(['0/1 keeps up', '0/2 keeps up'])
  })

  it('takes no more memory than there is: what finds no room is lost, and counted, and others have theirs', async () => {
    const { resourceOf, begun, take } = gated()
    const { flush, say, open, store, room, closed } = rig(resourceOf, 'gogetway', 5, SMALL)
    const hung = open(1)
    let said = 0
    for (; said < 20; said++) {
      say(hung, MUCH)
      flush()
      expect(room.usedBytes).toBeLessThanOrEqual(SMALL.softBytes + SMALL.onTheWayBytes)
    }
    const { waitingBytes, lostBytes } = store.notHandedOver
    expect(waitingBytes + lostBytes).toBe(said * MUCH.length)
    expect(waitingBytes).toBeGreaterThan(SMALL.softBytes)
    expect(lostBytes).toBeGreaterThan(0)
    const other = open(2)
    for (const text of ['a', 'b', 'c']) {
      say(other, text)
      flush()
      await take(2)
    }
    expect(begun.slice(1)).toEqual(['2: a', '2: b', '2: c'])
    const closing = store.close(10_000)
    await closing
    await turn()
    expect(store.notHandedOver).toEqual({ waitingBytes: 0, lostBytes: said * MUCH.length })
    expect(new Set(closed)).toEqual(new Set([1, 2]))
    expect([store.connections, room.usedBytes >= 0]).toEqual([0, true])
  })

  it('because it is never got does not fill the memory either, however many connections come and go', async () => {
    const { flush, say, open, store, room, recorder, groups, closed } = rig(
      ({ id }) => new Promise((_, reject) => void (id === 1 && setImmediate(() => reject(new Error('no'))))),
      'gogetway',
      5,
      TINY,
    )
    for (let id = 1; id <= CONNECTIONS; id++) {
      const track = open(id)
      say(track, 'hello')
      flush()
      recorder.close(track, 'client_fin', 1600)
      flush()
      expect(room.usedBytes).toBeLessThanOrEqual(room.maxBytes)
    }
    await turn()
    const most = (TINY.softBytes + TINY.onTheWayBytes + TINY.spareBytes) / 512
    expect(store.connections).toBeLessThanOrEqual(most)
    expect(groups.connections).toBe(store.connections)
    const { waitingBytes, lostBytes } = store.notHandedOver
    expect(waitingBytes + lostBytes).toBe(CONNECTIONS * 5)
    await store.close(10_000)
    await turn()
    expect(store.notHandedOver).toEqual({ waitingBytes: 0, lostBytes: CONNECTIONS * 5 })
    expect([store.connections, groups.connections, closed]).toEqual([0, 0, []])
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
    flush()
    await turn()
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
  flush()
  expect(groups.connections).toBe(3)
  store.left(1)
  await turn()
  expect(closed).toEqual([2, 3])
  expect([groups.connections, store.connections]).toEqual([1, 1])
})

it('nothing is kept of connections of which most was dropped', async () => {
  const { open, say, flush, recorder, store, groups, closed } = rig(
    () => ({ writeFunction: () => {} }),
    ...(['gogetway', 5, undefined, 'drop'] as const),
  )
  for (let id = 1; id <= 250; id++) {
    const track = open(id)
    say(track, 'x'.repeat(20_000))
    recorder.close(track, 'client_reset', 1600)
    if (id % 125 === 0) for (let slab = 0; slab < 8; slab++) flush()
  }
  for (let slab = 0; slab < 8; slab++) flush()
  await turn()
  expect(recorder.counters().lostBytes).toBeGreaterThan(0)
  expect(closed).toHaveLength(250)
  expect([store.connections, groups.connections, recorder.waitingCloses]).toEqual([0, 0, 0])
})

it('a connection whose group is closed already is counted as a failure', () => {
  const { open, say, flush, groups, figures } = rig(() => ({ writeFunction: () => {} }))
  say(open(1), 'a')
  groups.set(null)
  groups.settle(new Map())
  flush()
  expect(figures[STORE_FIGURE.functionFailures]).toBe(1)
})

it('what is left when the store is closed is let go of, and what comes back later changes nothing', async () => {
  const { resourceOf, begun, take } = gated()
  const { flush, say, store, closed, ...more } = rig(resourceOf)
  const one = more.open(1)
  say(one, 'a')
  say(one, 'bc')
  flush()
  await store.close(10_000)
  expect(closed).toEqual([1])
  expect([store.notHandedOver, more.room.usedBytes]).toEqual([{ waitingBytes: 0, lostBytes: 3 }, 0])
  await take(1)
  expect(begun).toEqual(['1: a'])
  expect([store.notHandedOver, more.room.usedBytes]).toEqual([{ waitingBytes: 0, lostBytes: 3 }, 0])
})

it('closing waits for a function that takes its time, and then no longer', async () => {
  const { resourceOf, take } = gated()
  const { flush, say, store, open } = rig(resourceOf, 'gogetway', 60_000)
  const one = open(1)
  say(one, 'a')
  say(one, 'b')
  flush()
  let isClosed = false
  const closing = store.close(10_000).then(() => {
    isClosed = true
  })
  await take(1)
  expect(isClosed).toBe(false)
  await take(1)
  await closing
  expect(store.notHandedOver).toEqual({ waitingBytes: 0, lostBytes: 0 })
})

describe('a resource', () => {
  it('has its function called in place of its writer, each frame with who says it to whom', () => {
    const got: [Uint8Array, WriteContext][] = []
    const writer = { write: () => expect.fail('the function wins') }
    const { open, say, flush, recorder, contexts } = rig(() => ({
      writeFunction: (framed, context) => got.push([framed, context]),
      writer,
      kind: 'both',
    }))
    const track = open(1)
    say(track, 'a\ntb')
    recorder.data(track, UTF8.encode('c'), 'downstream', 1600)
    flush()
    expect(contexts).toEqual([{ listener: 'one', listenType: 1, recording: 'r' }])
    const [client, server] = ['10.0.0.1:4000', '10.1.0.1:80']
    const about = (fromIp: string, toIp: string): WriteContext => ({
      ...{ listenType: 1, fromIp, toIp },
      fromTo: `${fromIp}...${toIp}`,
    })
    expect(got.map(([, context]) => context)).toEqual([about(client, server), about(server, client)])
    const frame = { timeNs: 1_500_000_000n, type: 1, from: client, to: server, body: UTF8.encode('a\ntb') }
    expect(got[0]![0]).toEqual(encodeGogetwayFrame(frame))
  })

  it('that brings its queue and lock shares their order with whatever else has them', async () => {
    const [writeQueue, lock] = [new WriteQueue(), new Lock()]
    const done: string[] = []
    let goOn = (): void => {}
    const held = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const { open, say, flush } = rig(({ id }) => ({
      writeFunction: async (framed) => {
        if (done.length === 0) await held
        done.push(`${id}: ${textOf(decodeGogetwayFrame(framed).body)}`)
      },
      writeQueue,
      lock,
    }))
    const [one, two] = [open(1), open(2)]
    for (const text of ['a', 'b']) for (const track of [one, two]) say(track, text)
    flush()
    await turn()
    expect([done, lock.getIndex(), writeQueue.currentIndex]).toEqual([[], 4, 1])
    goOn()
    await writeQueue.drain()
    expect(done).toEqual(['1: a', '2: a', '1: b', '2: b'])
  })
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
    flush()
    recorder.close(one, 'client_fin', 1600)
    flush()
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
    flush()
    const [, , , syn] = [...createPcapngReader().push(frames[0]!)]
    expect(syn).toMatchObject({
      kind: 'packet',
      comments: ['tidegate open {"id":1,"listener":"one","client":"10.0.0.1:4000","server":"10.1.0.1:80"}'],
    })
  })
})
