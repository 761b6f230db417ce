import picocolors from 'picocolors'
import { expect, it } from 'vitest'
import { statusText, upstreamFields } from '../../src/cli/status.js'
import type { EndpointStatus } from '../../src/control/upstreams/managed-upstream.js'

const COUNTS = { connected: 1, failed: 0, refused: 0, reused: 0, spare: 0, unclean: 0 }

const endpoint = (port: number, more: Partial<EndpointStatus> = {}): EndpointStatus => ({
  address: { kind: 'tcp', host: '127.0.0.1', port },
  state: 'up',
  weight: 1,
  backup: false,
  active: 0,
  idle: 0,
  resetting: 0,
  lastFailure: null,
  counts: COUNTS,
  ...more,
})

const upstream = (...endpoints: readonly EndpointStatus[]) => ({
  it: { endpoints, waiting: 0, unresolved: [], service: null },
})

it('sums up no upstream that was one place where all went well', () => {
  expect(upstreamFields(upstream(endpoint(1)))).toEqual({})
})

it('sums up several endpoints, and one where something failed', () => {
  expect(upstreamFields(upstream(endpoint(1), endpoint(2)))).toMatchObject({
    endpoints: [
      { upstream: 'it', endpoint: '127.0.0.1:1' },
      { upstream: 'it', endpoint: '127.0.0.1:2' },
    ],
  })
  expect(upstreamFields(upstream(endpoint(1, { counts: { ...COUNTS, failed: 2 } })))).toEqual({
    endpoints: [{ upstream: 'it', endpoint: '127.0.0.1:1', state: 'up', connected: 1, failed: 2 }],
  })
})

it('is bounded in length, and says how much is left out', () => {
  const many = upstream(...Array.from({ length: 256 }, (_, port) => endpoint(port + 1)))
  expect(upstreamFields(many)).toMatchObject({ moreEndpoints: 206 })
  const text = statusText(
    {
      listeners: [],
      connections: () => [],
      counters: () => ({ listeners: {}, upstreams: many, recording: null, resources: null }),
    },
    picocolors.createColors(false),
  )
  expect(text.split('\n').length).toBeLessThan(60)
  expect(text).toContain('(and 206 more)')
  expect(text).toContain('connections: none')
})

it('has a line for each service that is started on demand, and says how it is', () => {
  const service = {
    state: 'failed',
    pid: null,
    starts: 3,
    failures: 2,
    lastFailure: 'did not start: it exited with code 1',
    readyMs: 12.3,
    uptimeMs: null,
    retryInMs: 400,
    users: 0,
  } as const
  const woken = { it: { ...upstream(endpoint(1)).it, waiting: 4, service } }
  expect(upstreamFields(woken)).toEqual({ services: [{ upstream: 'it', starts: 3, failures: 2 }] })
  const text = statusText(
    {
      listeners: [],
      connections: () => [],
      counters: () => ({ listeners: {}, upstreams: woken, recording: null, resources: null }),
    },
    picocolors.createColors(false),
  )
  expect(text).toMatch(/it +failed +- +- +12.*ms +3 +2 +4 +did not start: it exited with code 1/)
})
