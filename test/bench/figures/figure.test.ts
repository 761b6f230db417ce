import { describe, expect, it } from 'vitest'
import { allContenders } from '../../../bench/contenders/all.js'
import { FIGURES } from '../../../bench/figures/all.js'
import type { Entrant } from '../../../bench/figures/figure.js'
import { recordingSample } from '../../../bench/figures/recording.js'

const entrants = (figure: string, ...contenders: string[]): readonly Entrant[] =>
  FIGURES.find(({ id }) => id === figure)!.entrants(
    allContenders('', '').filter(({ id }) => contenders.includes(id)),
  )

const baselines = (of: readonly Entrant[]): string[] => of.map(({ id, baseline }) => `${id}/${baseline}`)

describe('who takes part in a figure', () => {
  it('is compared with HAProxy, or without it with the first', () => {
    expect(baselines(entrants('keep-alive', 'linux', 'nginx', 'haproxy'))).toEqual([
      'linux/haproxy',
      'haproxy/haproxy',
      'nginx/haproxy',
    ])
    expect(baselines(entrants('idle', 'linux', 'other-linux'))).toEqual(['linux/linux', 'other-linux/linux'])
  })

  it('is in latency also the service itself, with nobody in between', () => {
    expect(baselines(entrants('latency', 'haproxy', 'linux'))).toEqual([
      'direct/haproxy',
      'linux/haproxy',
      'haproxy/haproxy',
    ])
    expect(entrants('latency')).toEqual([])
  })

  it('is for the first byte also each pool of those that have pools', () => {
    expect(baselines(entrants('first-byte', 'haproxy', 'linux', 'haproxy-splice'))).toEqual([
      'direct/haproxy',
      'linux/haproxy',
      'linux+prewarm/haproxy',
      'linux+reuse/haproxy',
      'haproxy/haproxy',
    ])
  })

  it('is one that only differs in bulk nowhere else', () => {
    expect(entrants('bulk', 'haproxy-splice', 'haproxy')).toHaveLength(2)
    expect(entrants('keep-alive', 'haproxy-splice', 'haproxy')).toHaveLength(1)
  })

  it('is in wake whoever can start a service, compared with who can do nothing else and takes part nowhere else', () => {
    const present = ['linux', 'haproxy', 'tiproxy']
    expect(baselines(entrants('wake', ...present))).toEqual(['linux/tiproxy', 'tiproxy/tiproxy'])
    expect(baselines(entrants('wake', 'linux', 'portable'))).toEqual(['linux/linux', 'portable/linux'])
    for (const figure of ['bulk', 'keep-alive', 'idle'])
      expect(entrants(figure, ...present).map(({ id }) => id)).toEqual(['linux', 'haproxy'])
  })

  it('is in recording whoever can record, beside itself without', () => {
    expect(baselines(entrants('record-bulk', 'linux', 'portable', 'haproxy'))).toEqual([
      'linux/linux',
      'linux+record/linux',
      'portable/portable',
      'portable+record/portable',
    ])
    expect(entrants('record-requests', 'gogetway', 'tcpdump')).toEqual([])
  })

  it('is in recorded bulk whoever records, compared with gogetway, which takes part nowhere else', () => {
    const present = ['linux', 'portable', 'haproxy', 'gogetway', 'tcpdump']
    const recorders = entrants('record-flow', ...present)
    expect(baselines(recorders)).toEqual([
      'linux/gogetway',
      'portable/gogetway',
      'gogetway/gogetway',
      'tcpdump/gogetway',
    ])
    expect(recorders.every(({ records }) => records)).toBe(true)
    expect(baselines(entrants('record-flow', 'linux', 'tcpdump'))).toEqual(['linux/linux', 'tcpdump/linux'])
    for (const figure of ['bulk', 'keep-alive', 'first-byte', 'wake'])
      expect(entrants(figure, 'gogetway', 'tcpdump')).toEqual([])
  })
})

describe('recorded bulk', () => {
  const moved = { bytes: 4e9, seconds: 2 }

  it('is counted by what is in the file, until it is there', () => {
    const recorded = { bytes: 1e9, at: 0, cpuSeconds: 1, dropped: null }
    expect(recordingSample(moved, recorded, 4, 3)).toEqual({
      recorded: 0.25,
      rate: 2,
      missing: 75,
      cpuPerRecordedGB: 3,
    })
  })

  it('misses nothing where the file has a little more, and tells what was dropped', () => {
    const recorded = { bytes: 4e9 + 12, at: null, cpuSeconds: 0, dropped: 7 }
    expect(recordingSample(moved, recorded, 2, 4)).toMatchObject({ missing: 0, dropped: 7 })
  })
})
