/** nginx as a TCP proxy (its stream module), one worker, with buffers as large as the others'. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nginxCommand, nginxHead, streamModule } from '../machine/nginx.js'
import { LOOPBACK } from '../machine/ports.js'
import { askVersion, findTool, versionIn } from '../machine/tools.js'
import type { Contender, Place } from './contender.js'

// Each relayed connection takes two of its slots.
const config = (load: string, { directory, maxConnections, port, upstream }: Place): string => `
${load}${nginxHead(directory, 2 * maxConnections + 16)}
stream {
  access_log off;
  server {
    listen ${LOOPBACK}:${port} backlog=4096;
    proxy_pass ${upstream};
    proxy_buffer_size 64k;
    proxy_timeout 10m;
  }
}
`

export const nginx: Contender = {
  id: 'nginx',
  title: 'nginx stream',
  setUp: '`stream`, one worker, `proxy_buffer_size 64k`',
  recordsAs: null,
  canPool: false,
  canWake: false,
  only: null,
  descriptorsEach: 2,
  find: async () => {
    const path = findTool('nginx')
    if (path === null) return { missing: 'nginx is not installed' }
    const load = streamModule(path)
    if (load === null) return { missing: 'nginx has no stream module (Debian: libnginx-mod-stream)' }
    return {
      ready: {
        version: versionIn(askVersion(path, '-v')) ?? 'unknown',
        launch: (place) => {
          writeFileSync(join(place.directory, 'proxy.conf'), config(load, place))
          return { command: nginxCommand(path, place.directory, 'proxy.conf') }
        },
      },
    }
  },
}
