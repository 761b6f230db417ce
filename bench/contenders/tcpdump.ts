/** What people record with who have no gateway: `tcpdump -w`, here beside a gateway that only relays, so that both see the same traffic. */

import { startProgram } from '../machine/programs.js'
import { askVersion, findTool, versionIn } from '../machine/tools.js'
import { tcpdumpCommand, tcpdumpRecorder } from '../recordings/tcpdump.js'
import type { Contender } from './contender.js'

const PATIENCE_MS = 5000

export const tcpdump = (relay: Contender): Contender => ({
  id: 'tcpdump',
  title: `${relay.title}, tcpdump beside`,
  setUp: 'as it is without recording, and `tcpdump -i lo -w FILE tcp port UPSTREAM` beside it',
  recordsAs: 'pcap',
  canPool: false,
  canWake: false,
  only: 'record',
  descriptorsEach: relay.descriptorsEach,
  find: async (scope) => {
    const path = findTool('tcpdump')
    if (path === null) return { missing: 'tcpdump is not installed' }
    const found = await relay.find(scope)
    if ('missing' in found) return found
    const own = scope.child()
    try {
      // It may be there and yet not be allowed to look.
      await startProgram(own, tcpdumpCommand(path, 'port 1', '/dev/null')).says('listening on', PATIENCE_MS)
    } catch (thrown) {
      return {
        missing: `tcpdump cannot capture: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      }
    } finally {
      await own.end()
    }
    return {
      ready: {
        version: versionIn(askVersion(path, '--version')) ?? 'unknown',
        launch: (place) => found.ready.launch({ ...place, recordTo: null }),
        recorder: (within, cores, place) => tcpdumpRecorder(within, cores, path, place),
      },
    }
  },
})
