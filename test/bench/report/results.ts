/** A run as it might have been, for the reports. */

import type { EntrantResult, Results } from '../../../bench/report/results.js'

const entrant = (id: string, title: string, cpuPerGB: number, baseline = 'haproxy'): EntrantResult => ({
  entrant: id,
  title,
  baseline,
  rounds: [{ rate: 2, cpuPerGB }],
  median: { rate: 2, cpuPerGB },
  ratio: baseline === 'none' ? {} : { rate: 1, cpuPerGB: cpuPerGB / 0.5 },
})

export const someResults = (changes: Partial<Results> = {}): Results => ({
  format: 1,
  date: '2026-11-20T14:00:00.000Z',
  took: { seconds: 61 },
  machine: {
    cpu: 'A & B <1>',
    cores: 2,
    memoryGiB: 8,
    kernel: '6.18.4-x',
    node: '20.20.2',
    congestionControl: 'cubic',
    loadBefore: 0.1,
  },
  options: { rounds: 5, seconds: 2, streams: 4, layout: 'free', idleConnections: 3500 },
  contenders: [
    { id: 'linux', title: 'Tidegate linux', version: '0.1.0', setUp: '`tidegate relay`' },
    { id: 'haproxy', title: 'HAProxy', version: '2.6.12', setUp: '`mode tcp`' },
  ],
  tools: { iperf3: '3.12' },
  leftOut: [{ name: 'socat', why: 'socat is not installed' }],
  figures: [
    {
      id: 'bulk',
      title: 'Bulk',
      how: 'iperf3.',
      metrics: [
        { id: 'rate', title: 'throughput', unit: 'GB/s', better: 'higher' },
        { id: 'cpuPerGB', title: 'CPU per gigabyte', unit: 's/GB', better: 'lower' },
      ],
      results: [
        entrant('linux', 'Tidegate linux', 0.2),
        entrant('haproxy', 'HAProxy', 0.5),
        entrant('slow', 'Slow <proxy>', 50),
      ],
    },
  ],
  failures: [],
  ...changes,
})
