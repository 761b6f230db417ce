/** tiproxy, which starts a service on demand, too: built from a checkout that is there, nothing is fetched. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LOOPBACK } from '../machine/ports.js'
import type { Contender } from './contender.js'
import { buildGo } from './go-build.js'

/** Names the folder of its source. */
const SOURCE = 'TIDEGATE_BENCH_TIPROXY'

export const tiproxy: Contender = {
  id: 'tiproxy',
  title: 'tiproxy',
  setUp: '`tiproxy --idle 100ms`, else as it is by default',
  recordsAs: null,
  canPool: false,
  canWake: true,
  only: 'wake',
  descriptorsEach: 2,
  find: async (scope) => {
    const source = process.env[SOURCE]
    if (source === undefined) return { missing: `${SOURCE} does not name a folder with its source` }
    if (!existsSync(join(source, 'tiproxy.go'))) return { missing: `${source} is not its source` }
    const program = join(scope.tempDir(), 'tiproxy')
    const missing = await buildGo(scope, source, program, '.')
    if (missing !== null) return { missing }
    return {
      ready: {
        // It has none.
        version: 'source',
        launch: ({ port, upstream, wake }) => {
          const [command = '', ...args] = wake ?? []
          const own = ['--bind', `${LOOPBACK}:${port}`, '--dest', upstream, '--idle', '100ms']
          return { command: [program, ...own, '--exec', command, '--', ...args] }
        },
      },
    }
  },
}
