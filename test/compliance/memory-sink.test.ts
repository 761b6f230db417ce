/** The sink suite on a sink in memory, and on sinks that are wrong in one way each: the suite must notice. */

import { describe, expect, it, vi } from 'vitest'
import { sinkCompliance } from '../../src/testing/index.js'
import { type Flaw, MemoryPlace } from '../support/memory-sink.js'

describe('a sink in memory', () => {
  for (const { name, run, timeoutMs } of sinkCompliance(() => new MemoryPlace())) it(name, run, timeoutMs)
})

/** Which case notices what. */
const NOTICED: Readonly<Record<Exclude<Flaw, 'none'>, string>> = {
  'drops a record now and then': 'a batch is stored once write has resolved',
  'reorders within a batch': 'a batch is stored once write has resolved',
  'acknowledges before it has stored': 'each batch is stored before the next is asked for',
  'acknowledges what it could not store': 'a write that is interrupted rejects, or all of it is stored',
  'refuses what came before': 'a batch that comes again is taken again',
  'takes the latest opening': 'a connection that is opened again keeps its first time',
  'counts positions in 32 bits': 'positions beyond 4 GiB and numbers up to 2^53 - 1 are exact',
  'stores cut bytes as lost': 'what was lost and what was cut come back as such',
  'loses the ledger': 'what was lost and what was cut come back as such',
  'stores a view of a larger memory whole': 'bytes that lie within a larger memory are stored alone',
  'mixes up runs': 'connections of the same number in two runs of a gateway stay apart',
  'cannot be opened again': 'a write that is interrupted rejects, or all of it is stored',
  'cannot be closed twice': 'closing a sink twice, also at once, is as closing it once',
  'shows its password': 'a sink says where it stores in one line, without secrets',
  'changes what it is given': 'a batch is left as it was given',
  'forgets all at a failure': 'what was stored before a failure stays stored',
}

describe('the sink suite fails a sink that', () => {
  it.each(Object.entries(NOTICED))('%s', async (flaw, name) => {
    const cases = sinkCompliance(() => new MemoryPlace(flaw as Flaw))
    const [noticing] = cases.filter((each) => each.name.startsWith(name))
    await expect(noticing?.run()).rejects.toThrow()
  })
})

it('the sink suite says which cases it could not check', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const cases = sinkCompliance(() => {
    const place = new MemoryPlace()
    return {
      connect: () => place.connect(),
      stored: () => place.stored(),
      close: () => place.close(),
      secrets: place.secrets,
    }
  })
  for (const each of cases.filter(({ name }) => name.includes('where the place has'))) await each.run()
  const said = warn.mock.calls.map(([text]) => String(text))
  warn.mockRestore()
  expect(said.length).toBeGreaterThan(3)
  for (const text of said) expect(text).toMatch(/^not checked, the place has no (breakNext|stall): [a-z].+/)
})
