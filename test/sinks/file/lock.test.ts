import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isRecording, lockRun } from '../../../src/sinks/file/lock.js'
import { eventually, testScope } from '../../support/scope.js'

const LOCK = pathToFileURL(join(import.meta.dirname, '../../../build/sinks/file/lock.js')).href

describe('the lock of a run', () => {
  it('is seen as long as it is held', async () => {
    const lock = await lockRun('mine')
    expect(await lockRun('mine')).toBe(null)
    expect([await isRecording('mine'), await isRecording('other')]).toEqual([true, false])
    lock?.release()
    await eventually('it to be free', async () => !(await isRecording('mine')))
  })

  it.skipIf(process.platform !== 'linux')(
    'is seen by other processes, and ends with a killed one',
    async () => {
      const script = `const { lockRun } = await import(${JSON.stringify(LOCK)})
      process.stdout.write((await lockRun('theirs')) === null ? 'taken' : 'held')
      process.stdin.resume()`
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      testScope().defer(() => void child.kill('SIGKILL'))
      const [said] = (await once(child.stdout, 'data')) as [Buffer]
      expect(said.toString()).toBe('held')
      // Asking takes nothing from anybody.
      expect(await Promise.all([isRecording('theirs'), isRecording('theirs')])).toEqual([true, true])
      expect(await lockRun('theirs')).toBe(null)
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      expect(await isRecording('theirs')).toBe(false)
    },
  )
})
