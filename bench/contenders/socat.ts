/** socat, which forks a process for each connection. */

import { LOOPBACK } from '../machine/ports.js'
import { askVersion, findTool, versionIn } from '../machine/tools.js'
import type { Contender } from './contender.js'

export const socat: Contender = {
  id: 'socat',
  title: 'socat',
  setUp: '`fork,reuseaddr`: a process for each connection',
  recordsAs: null,
  canPool: false,
  canWake: false,
  only: null,
  descriptorsEach: 0,
  find: async () => {
    const path = findTool('socat')
    if (path === null) return { missing: 'socat is not installed' }
    return {
      ready: {
        version: versionIn(askVersion(path, '-V')) ?? 'unknown',
        launch: ({ port, upstream }) => ({
          command: [
            path,
            `TCP4-LISTEN:${port},bind=${LOOPBACK},fork,reuseaddr,backlog=4096`,
            `TCP4:${upstream}`,
          ],
        }),
      },
    }
  },
}
