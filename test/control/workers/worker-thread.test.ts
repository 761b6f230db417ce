import { readdirSync, readlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { WorkerSeat } from '../../../src/control/workers/protocol.js'
import { newSharedIds } from '../../../src/control/workers/shared-books.js'
import { WorkerThread } from '../../../src/control/workers/worker-thread.js'
import { createDescriptorLedger } from '../../../src/engine/linux/ffi/ledger.js'
import { eventually } from '../../support/scope.js'

const ROUNDS = 8

const openModules = (): number => {
  const linkOf = (fd: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // Closed meanwhile.
      return ''
    }
  }
  return readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).endsWith('.js')).length
}

it('a worker that is stopped while it starts leaves no file open', async () => {
  const before = openModules()
  for (let round = 0; round < ROUNDS; round++) {
    const seat: WorkerSeat = {
      plane: 1,
      planes: 2,
      ids: newSharedIds(),
      ledger: createDescriptorLedger(),
      records: 'all',
      share: { index: 0, of: 1 },
      recording: null,
      groups: null,
    }
    let isOver = false
    const thread = new WorkerThread(1, () => seat, {
      news: () => {},
      ended: () => {
        isOver = true
      },
    })
    // It reads its modules just now, or on a quick machine has read them all.
    while (openModules() <= before && !thread.isReady && !isOver) await setImmediate()
    await thread.stop()
    expect(isOver).toBe(true)
  }
  await eventually('no more files open than before', () => openModules() <= before)
})
