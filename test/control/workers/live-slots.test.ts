import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { isLive, LiveTable, readLive } from '../../../src/control/workers/live-slots.js'
import type { Words } from '../../../src/control/workers/shared-words.js'
import type { Address } from '../../../src/core/address.js'
import { testScope, within } from '../../support/scope.js'

const tcp = (host: string, port: number): Address => ({ kind: 'tcp', host, port })

const entry = (id: number, more: { client?: Address; upstream?: Address | null } = {}) => ({
  id,
  listener: 3,
  client: tcp('192.0.2.7', 50_000),
  state: 'routing' as const,
  upstream: null,
  startedAt: 1_700_000_000_000,
  acceptedAt: 1_700_000_000_001.5,
  ...more,
})

const table = () => {
  const pages: Words[] = []
  return { pages, live: new LiveTable((page) => pages.push(page)) }
}

describe('the table of live connections', () => {
  it('is read as it was written', () => {
    const { pages, live } = table()
    const slot = live.add(entry(2 ** 40))
    live.state(slot, 'linked')
    live.upstream(slot, tcp('db.example', 5432))
    live.bytes(slot, 2 ** 35 + 1, 7)
    live.dials(slot, 3, 'ECONNREFUSED')
    expect(readLive(pages)).toEqual([
      {
        ...entry(2 ** 40),
        state: 'linked',
        upstream: tcp('db.example', 5432),
        bytes: { upstream: 2 ** 35 + 1, downstream: 7 },
        attempts: 3,
        lastFailure: 'ECONNREFUSED',
      },
    ])
    expect([isLive(pages, 2 ** 40), isLive(pages, 1)]).toEqual([true, false])
  })

  it.each<Address>([
    tcp('2001:db8:1234:5678:9abc:def0:255.255.255.255%eth0123456', 1),
    { kind: 'unix', path: '' },
    { kind: 'unix', path: '/run/größer/☃.sock' },
    tcp(`${'a'.repeat(63)}.`.repeat(3).concat('example'), 65_535),
  ])('keeps the address %j', (upstream) => {
    const { pages, live } = table()
    live.add(entry(1, { upstream }))
    expect(readLive(pages)[0]?.upstream).toEqual(upstream)
  })

  it('grows page by page, and uses the slots again that have become free', () => {
    const { pages, live } = table()
    const slots = Array.from({ length: 600 }, (_, id) => live.add(entry(id + 1)))
    expect(pages).toHaveLength(3)
    expect(readLive(pages).map(({ id }) => id)).toEqual(slots.map((_, index) => index + 1))
    for (const slot of slots) live.remove(slot)
    expect(readLive(pages)).toEqual([])
    for (let id = 1; id <= 600; id++) live.add(entry(id))
    expect(pages).toHaveLength(3)
  })

  it('never shows half of one connection and half of another, however often a slot changes hands', async () => {
    const scope = testScope()
    const worker = new Worker(fileURLToPath(new URL('slot-writer.mjs', import.meta.url)))
    scope.defer(() => worker.terminate())
    const pages: Words[] = []
    await within(
      10_000,
      'the writer to begin',
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject)
        worker.on('message', (page: Words) => {
          pages.push(page)
          resolve()
        })
      }),
    )
    const seen = new Set<number>()
    for (const end = performance.now() + 1000; performance.now() < end; ) {
      for (const { id, client, upstream, bytes, startedAt } of readLive(pages)) {
        seen.add(id)
        // The writer makes all of them out of the number.
        expect(client).toEqual(tcp(`client-${id}`, id % 65_536))
        expect(upstream).toEqual(tcp(`upstream-${id}`.repeat((id % 5) + 1), id % 65_536))
        // Nothing is relayed at first.
        if (bytes.upstream > 0) expect([bytes.upstream, bytes.downstream]).toEqual([id * 3, id * 5])
        else expect(bytes.downstream).toBe(0)
        expect(startedAt).toBe(id * 2)
      }
    }
    expect(seen.size).toBeGreaterThan(10)
  })
})
