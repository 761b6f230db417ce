/** HAProxy, `mode tcp`, one thread: what the others are compared with. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOOPBACK } from '../machine/ports.js'
import { askVersion, findTool, versionIn } from '../machine/tools.js'
import type { Contender, Place } from './contender.js'

const config = ({ port, upstream, maxConnections }: Place, options: string): string => `
global
  nbthread 1
  maxconn ${maxConnections}

defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
${options}
listen bench
  bind ${LOOPBACK}:${port} backlog 4096
  server upstream ${upstream}
`

const variant = (names: Pick<Contender, 'id' | 'title' | 'setUp' | 'only'>, options: string): Contender => ({
  ...names,
  recordsAs: null,
  canPool: false,
  canWake: false,
  descriptorsEach: 2,
  find: async () => {
    const path = findTool('haproxy')
    if (path === null) return { missing: 'haproxy is not installed' }
    return {
      ready: {
        version: versionIn(askVersion(path, '-v')) ?? 'unknown',
        launch: (place) => {
          const file = join(place.directory, 'haproxy.cfg')
          writeFileSync(file, config(place, options))
          // In the foreground, as one process.
          return { command: [path, '-db', '-f', file] }
        },
      },
    }
  },
})

export const haproxy = variant(
  { id: 'haproxy', title: 'HAProxy', setUp: '`mode tcp`, `nbthread 1`', only: null },
  '',
)

export const haproxySplice = variant(
  {
    id: 'haproxy-splice',
    title: 'HAProxy, splicing',
    setUp: 'as HAProxy, with `option splice-request` and `splice-response`; bulk only',
    only: 'bulk',
  },
  // Not `splice-auto`: its heuristics hold back; under iperf3, strace saw no call of splice (2.6.12).
  '  option splice-request\n  option splice-response\n',
)
