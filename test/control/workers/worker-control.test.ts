import { describe, expect, it } from 'vitest'
import { PlaneRecordings } from '../../../src/control/recording/plane-recordings.js'
import type { FromWorker, RecordsWanted } from '../../../src/control/workers/protocol.js'
import { WorkerControl } from '../../../src/control/workers/worker-control.js'
import type { CloseReason } from '../../../src/core/close-reason.js'
import type { ConnectionIdentity, ConnectionRecord } from '../../../src/core/session/record.js'
import { eventually } from '../../support/scope.js'

const client: ConnectionIdentity = {
  id: 1,
  listener: 'test',
  client: { kind: 'tcp', host: '127.0.0.1', port: 5000 },
}

const record = (reason: CloseReason): ConnectionRecord => ({
  ...client,
  upstream: null,
  reason,
  error: null,
  startedAt: 0,
  times: { routed: null, queued: null, woke: null, dialled: null, total: 0 },
  bytes: { upstream: 0, downstream: 0 },
  attempts: 0,
})

const control = (records: RecordsWanted = 'all') => {
  const posted: FromWorker[] = []
  const it = new WorkerControl({
    recordings: new PlaneRecordings(null, null),
    post: (message) => void posted.push(message),
    records,
    listenerNumbers: new Map([['test', 0]]),
  })
  /** How many records each batch had. */
  const batches = () =>
    posted.flatMap((message) => (message.type === 'records' ? [message.batch.texts.length / 2] : []))
  return { it, posted, batches }
}

describe('the control port of a worker', () => {
  it('answers itself where a client goes when that is settled, and tells nobody', () => {
    const { it, posted } = control()
    it.enter('test', { serving: { by: 'worker', upstream: 'redis' }, capture: null, group: null })
    expect(it.route(client, () => new AbortController().signal)).toEqual({
      kind: 'upstream',
      upstream: 'redis',
    })
    expect(posted).toEqual([])
  })

  it('sends the accounts of many connections in one message, a moment later', async () => {
    const { it, posted, batches } = control()
    for (let i = 0; i < 100; i++) it.closed(record('client_fin'))
    expect(posted).toEqual([])
    await eventually('a message', () => posted.length > 0)
    expect(batches()).toEqual([100])
  })

  it('sends them at once when they are many', () => {
    const { it, batches } = control()
    for (let i = 0; i < 600; i++) it.closed(record('client_fin'))
    expect(batches()).toEqual([256, 256])
    it.flush()
    expect(batches()).toEqual([256, 256, 88])
    it.flush()
    expect(batches()).toHaveLength(3)
  })

  it('sends only those of troubles when nobody reads the others', () => {
    const { it, batches } = control('trouble')
    for (const reason of ['client_fin', 'upstream_fin', 'dial_failed', 'killed', 'error'] as const)
      it.closed(record(reason))
    it.flush()
    expect(batches()).toEqual([2])
  })

  it('asks where a client goes, and takes that back when the client leaves', async () => {
    const { it, posted } = control()
    it.enter('test', { serving: { by: 'answer' }, capture: null, group: null })
    const leaving = new AbortController()
    const never = it.route(client, () => leaving.signal)
    leaving.abort()
    expect(posted).toEqual([
      { type: 'ask', connection: client },
      { type: 'unwanted', id: 1 },
    ])
    // Too late: nobody waits for it any more.
    it.routed(1, { kind: 'failed', reason: 'error', error: { name: 'Error', message: 'late' } })
    expect(await Promise.race([never, Promise.resolve('nothing')])).toBe('nothing')
  })

  it('fails with what the hook threw', async () => {
    const { it } = control()
    it.enter('test', { serving: { by: 'answer' }, capture: null, group: null })
    const answer = it.route(client, () => new AbortController().signal)
    it.routed(1, { kind: 'threw', error: { name: 'TypeError', message: 'no idea' } })
    await expect(answer).rejects.toMatchObject({ name: 'TypeError', message: 'no idea' })
  })
})
