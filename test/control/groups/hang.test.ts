/** Functions that never come back: whose trouble that is, and whose it is not. */

import { describe, expect, it } from 'vitest'
import { createDefaultResourceGroup, type ResourceGroup } from '../../../src/record.js'
import { payload } from '../../support/payload.js'
import { expectSameBytes } from '../../support/recording.js'
import { eventually } from '../../support/scope.js'
import { type Client, Heard, OwnGroup, start } from './start.js'

const MIB = 1024 * 1024

/** More than one of them may have waiting. */
const MUCH = payload(11, 2 * MIB)

/** Less at a time than would be too much for anybody. */
const ROUNDS = [1, 2, 3, 4].map((round) => payload(round, 50_000))

const never = (): Promise<never> => new Promise(() => {})

const HUNG = '127.0.0.2'
const FINE = '127.0.0.3'

/** By listener, in which function they hang. In the last three only what one client's connections have does. */
const hanging = () => {
  const heard: Record<string, Heard> = { write: new Heard(), new: new Heard(), client: new Heard() }
  const writeFunction = (listener: string) => (framed: Uint8Array) => heard[listener]!.add(framed)
  const groups: Record<string, ResourceGroup> = {
    get: { getResource: never, close: never },
    whole: { getResource: () => ({ resource: { writeFunction: never } }), close: never },
    write: createDefaultResourceGroup({
      newResource: (_context, from) => ({ writeFunction: from === HUNG ? never : writeFunction('write') }),
    }),
    new: createDefaultResourceGroup({
      newResource: (_context, from) => (from === HUNG ? never() : { writeFunction: writeFunction('new') }),
    }),
    client: {
      getResource: (_context, { client }) =>
        'host' in client && client.host === HUNG
          ? never()
          : { resource: { writer: { write: writeFunction('client') } } },
    },
  }
  return { groups, heard }
}

const startHanging = async (overload: 'block' | 'drop' | 'disconnect') => {
  const { groups, heard } = hanging()
  const other = new OwnGroup()
  const started = await start({
    listeners: [...Object.keys(groups), 'other'],
    resourceGroups: { ...groups, other },
    resourceOptions: { overload, maxBufferedBytes: 16 * MIB, closeTimeoutMs: 200 },
  })
  const { client, gateway } = started
  const resources = () => gateway.counters().resources!
  const hung = await Promise.all(Object.keys(groups).map((listener) => client(listener, HUNG)))
  for (const one of hung) one.send(MUCH)
  const isSlow = (listener: string): boolean =>
    started.lines.some(({ message }) => message.startsWith(`a resource of '${listener}' is slower`))
  /** What was said is with the main thread, and the planes have heard what it says to that. */
  const calm = () =>
    eventually('nothing to be on its way', () => {
      const { seenBytes, storedBytes, lostBytes, waitingBytes } = resources()
      return seenBytes === storedBytes + lostBytes + waitingBytes
    })
  /** What the others' resources are to have got. */
  const expectAll = (fine: readonly Client[], hears: (n: number) => Heard): void => {
    for (const [n, { port, said }] of fine.entries()) {
      expectSameBytes(hears(n).saidBy(port), said, `what ${port} said`)
      expectSameBytes(hears(n).saidTo(port), said, `what ${port} was told`)
    }
  }
  /** Clients whose resources do not hang: of the same groups, and of another. */
  const serveFine = async (rounds: readonly Buffer[]): Promise<void> => {
    const theirs = Object.keys(heard)
    const fine = await Promise.all([
      ...theirs.map((listener) => client(listener, FINE)),
      client('other', HUNG),
    ])
    for (const bytes of rounds) await Promise.all(fine.map((one) => one.say(bytes)))
    for (const one of fine) await one.end()
    const of = (n: number): Heard => heard[theirs[n] ?? ''] ?? other.heard
    const enough = () => fine.every(({ port, said }, n) => of(n).saidTo(port).length >= said.length)
    await eventually('all to be handed over', enough)
    expectAll(fine, of)
  }
  /** It ends, and every byte is accounted for. */
  const end = async (): Promise<void> => {
    const from = performance.now()
    await gateway.close({ drainTimeoutMs: 0 })
    // Twice what functions are given, of which hooks have half, and the grace that a store has.
    expect(performance.now() - from).toBeLessThan(5000)
    const { seenBytes, storedBytes, lostBytes } = resources()
    expect(storedBytes + lostBytes).toBe(seenBytes)
    expect(lostBytes).toBeGreaterThan(0)
    const said = started.lines.map(({ message }) => message)
    expect(said).toContainEqual(expect.stringMatching(/^functions of .* have not taken \d+ bytes in 200 ms/))
    expect(said).toContain('resource groups are not closed after 200 ms')
  }
  return { ...started, hung, listeners: Object.keys(groups), resources, isSlow, calm, serveFine, end }
}

describe('what hangs is the trouble of its own connections alone', () => {
  it('which are held with `block`', async () => {
    const { hung, listeners, isSlow, resources, serveFine, end } = await startHanging('block')
    await eventually('them to be held', () => resources().holds >= hung.length)
    await serveFine([MUCH])
    for (const one of hung) expect(one.hasAll).toBe(false)
    // As docs/record-library.md has it: at least 8 MiB for each thread.
    expect(resources().bufferedBytes).toBeLessThan(3 * 8 * MIB)
    expect(listeners.map(isSlow)).toEqual(listeners.map(() => true))
    await end()
  })

  it('whose bytes are left out with `drop`, and whose traffic goes on', async () => {
    const { hung, listeners, isSlow, calm, resources, serveFine, end } = await startHanging('drop')
    for (const [n, one] of hung.entries()) {
      await one.echoed()
      while (!isSlow(listeners[n]!)) await one.say(payload(n, 300_000))
    }
    await calm()
    const { lostBytes } = resources()
    for (const one of hung) one.send(MUCH)
    await serveFine(ROUNDS)
    for (const one of hung) {
      await one.echoed()
      await one.end()
    }
    // All that they said more.
    expect(resources().lostBytes - lostBytes).toBeGreaterThan(hung.length * 2 * MIB)
    await end()
  })

  it('which are ended with `disconnect`', async () => {
    const { hung, calm, serveFine, end } = await startHanging('disconnect')
    await eventually('them to be ended', () => hung.every(({ isClosed }) => isClosed))
    await calm()
    await serveFine(ROUNDS)
    await end()
  })
})
