import { expect, test } from 'vitest'
import { SectionStore } from '../../../src/control/recording/section-store.js'
import type { Store } from '../../../src/ports/store.js'

const START = Uint8Array.of(1, 2, 3)

/** Takes a write or refuses it, at once or after a while. */
class MoodySink implements Store {
  readonly where = 'memory'
  readonly stored: number[][] = []
  mood: 'takes' | 'throws' | 'takes later' | 'rejects' = 'takes'

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.mood === 'throws') throw new Error('refused')
    if (this.mood === 'rejects') return Promise.reject(new Error('refused'))
    this.stored.push([...bytes])
    if (this.mood === 'takes later') return Promise.resolve()
  }

  close(): void {}
}

test('a section begins with its start, in one piece with the first bytes, and has it once', async () => {
  const memory = new MoodySink()
  const sink = new SectionStore(memory, START)
  await sink.write(Uint8Array.of(4))
  await sink.write(Uint8Array.of(5))
  expect(memory.stored).toEqual([[1, 2, 3, 4], [5]])
})

test('a start that could not be stored comes with the next bytes, whichever way the sink said so', async () => {
  const memory = new MoodySink()
  const sink = new SectionStore(memory, START)
  memory.mood = 'throws'
  expect(() => sink.write(Uint8Array.of(4))).toThrow('refused')
  memory.mood = 'rejects'
  await expect(sink.write(Uint8Array.of(5))).rejects.toThrow('refused')
  memory.mood = 'takes later'
  await sink.write(Uint8Array.of(6))
  await sink.write(Uint8Array.of(7))
  expect(memory.stored).toEqual([[1, 2, 3, 6], [7]])
})

test('a section without packets is its start', async () => {
  const memory = new MoodySink()
  await new SectionStore(memory, START).write(new Uint8Array(0))
  expect(memory.stored).toEqual([[1, 2, 3]])
})
