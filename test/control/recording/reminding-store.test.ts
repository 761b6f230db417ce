import { expect, it } from 'vitest'
import { verifyCommand } from '../../../src/cli/commands/verify.js'
import { RemindingStore } from '../../../src/control/recording/reminding-store.js'
import type { WholeStore } from '../../../src/ports/store.js'
import { fileOf, runCommand, Tape } from '../../cli/recordings.js'

/** The tape's. */
const SALT = 1

it.each(['at once', 'later'])(
  'a connection whose beginning was refused %s is known by its first packet that is stored',
  async (when) => {
    const tape = new Tape()
    let isFull = false
    const disk: WholeStore = {
      where: 'memory',
      write: (bytes) => {
        if (isFull && when === 'later') return Promise.reject(new Error('full'))
        if (isFull) throw new Error('full')
        tape.file.push(bytes.slice())
        return when === 'later' ? Promise.resolve() : undefined
      },
      close: () => {},
    }
    const store = new RemindingStore(disk, SALT)
    const slab = async (): Promise<string | null> => {
      const { contents } = tape.recorder.take(true)!
      try {
        await store.write(contents)
        return null
      } catch {
        return 'write failed: ENOSPC'
      }
    }
    const known = tape.connect(1)
    tape.say(known, 'upstream', 'before')
    tape.recorder.settle(await slab(), tape.nowMs)
    isFull = true
    const one = tape.connect(2)
    tape.say(one, 'upstream', 'nobody has this')
    const refused = await slab()
    // The recorder has not heard of it yet.
    isFull = false
    tape.say(one, 'downstream', 'the answer, which comes first')
    tape.say(known, 'upstream', ' and after')
    const stored = await slab()
    tape.recorder.settle(refused, tape.nowMs)
    tape.recorder.settle(stored, tape.nowMs)
    tape.hangUp(one)
    tape.hangUp(known)
    expect([refused, stored]).toEqual(['write failed: ENOSPC', null])
    const file = fileOf(tape.contents())
    const { stdout } = await runCommand(verifyCommand, [file])
    expect(stdout.split('\n')).toEqual([
      'hole: connection 2 (127.0.0.1:40002 -> 10.0.0.1:6379) upstream: 15 bytes missing at 0: write failed: ENOSPC',
      'failed: 2 connections, 45 B, 1 hole (15 B missing)',
      '',
    ])
  },
)
