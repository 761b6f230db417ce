import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Contender, Launch, Ready } from '../../bench/contenders/contender.js'
import type { Figure } from '../../bench/figures/figure.js'
import type { Site } from '../../bench/loads/bench-site.js'
import { coresFor } from '../../bench/machine/cores.js'
import { LOOPBACK_NETWORK } from '../../bench/machine/network.js'
import { openScope } from '../../bench/machine/scope.js'
import { type Entry, runFigure } from '../../bench/run-figure.js'

const site = (): Site => {
  const scope = openScope()
  onTestFinished(scope.end)
  return {
    scope,
    cores: coresFor('free'),
    network: LOOPBACK_NETWORK,
    idleConnections: 1,
    streams: 1,
    tool: (name) => name,
  }
}

/** A program that listens, as `node -e` runs it. */
const LISTENS = `require('net').createServer().listen({ port: +process.argv[1], host: '127.0.0.1' })`

const entry = (id: string, code: string): Entry => {
  const launch = ({ port }: { port: number }): Launch => ({
    command: [process.execPath, '-e', code, String(port)],
  })
  const contender = { id, title: id, descriptorsEach: 2 } as Contender
  const ready: Ready = { version: '1', launch }
  return { entrant: { id, title: id, contender, records: false, pool: null, baseline: id }, ready }
}

const figure = (changes: Partial<Figure>): Figure => ({
  id: 'figure',
  title: 'Figure',
  how: '',
  metrics: [],
  tools: [],
  diskBytes: 0,
  fresh: false,
  warmUp: false,
  layout: null,
  oneWayMs: 0,
  mostRounds: 100,
  entrants: () => [],
  startBackend: async () => 1,
  measure: async (_, { port }) => ({ port }),
  ...changes,
})

const plan = { rounds: 3, seconds: 1, warmUpSeconds: 0 }

describe.skipIf(process.platform !== 'linux')('a figure', () => {
  it('measures everybody in each round, another one first each time', async () => {
    const order: string[] = []
    const measured = await runFigure(
      figure({}),
      [entry('a', LISTENS), entry('b', LISTENS), entry('c', LISTENS)],
      site(),
      plan,
      ({ round, entrant }) => order.push(`${round}${entrant.id}`),
    )
    expect(order.join(' ')).toBe('1a 1b 1c 2b 2c 2a 3c 3a 3b')
    expect(measured.map(({ samples }) => samples.length)).toEqual([3, 3, 3])
  })

  it.each([
    [1, {}, 1],
    [2, {}, 2],
    [1, { roundsEach: 3 }, 1],
    [2, { roundsEach: 3 }, 6],
    [2, { roundsEach: 3, mostRounds: 4 }, 4],
  ])('for %d rounds with %o has %d', async (rounds, changes, expected) => {
    const entries = [entry('a', LISTENS)]
    const [measured] = await runFigure(figure(changes), entries, site(), { ...plan, rounds }, () => {})
    expect(measured!.samples).toHaveLength(expected)
  })

  it('keeps a contender for all rounds, or starts it afresh for each', async () => {
    const portsOf = async (fresh: boolean): Promise<number> => {
      const [measured] = await runFigure(figure({ fresh }), [entry('a', LISTENS)], site(), plan, () => {})
      return new Set(measured!.samples.map(({ port }) => port)).size
    }
    expect(await portsOf(false)).toBe(1)
    expect(await portsOf(true)).toBe(3)
  })

  it('puts the load on once, uncounted, before it counts', async () => {
    const lengths: number[] = []
    const measure: Figure['measure'] = async (_, __, seconds) => {
      lengths.push(seconds)
      return {}
    }
    await runFigure(
      figure({ warmUp: true, measure }),
      [entry('a', LISTENS)],
      site(),
      { rounds: 2, seconds: 7, warmUpSeconds: 1 },
      () => {},
    )
    expect(lengths).toEqual([1, 7, 7])
  })

  it('goes on without a contender that fails, and says which and why', async () => {
    const measured = await runFigure(
      figure({}),
      [entry('dies', `console.error('no licence'); process.exit(3)`), entry('lives', LISTENS)],
      site(),
      plan,
      () => {},
    )
    expect(measured.map(({ samples }) => samples.length)).toEqual([0, 3])
    const failure = {
      figure: 'figure',
      entrant: 'dies',
      message: 'it ended before it listened: no licence',
    }
    expect(measured.map(({ failures }) => failures)).toEqual([[failure, failure], []])
  })

  it('keeps what was measured when a round fails, and gives a contender one more chance', async () => {
    let calls = 0
    const measure: Figure['measure'] = async () => {
      if (++calls > 1) throw new Error('broken pipe')
      return { rate: 1 }
    }
    const rounds = { ...plan, rounds: 9 }
    const [measured] = await runFigure(figure({ measure }), [entry('a', LISTENS)], site(), rounds, () => {})
    expect(measured).toMatchObject({
      samples: [{ rate: 1 }],
      failures: [{ message: 'broken pipe' }, { message: 'broken pipe' }],
    })
    expect(calls).toBe(3)
  })

  it('leaves nobody behind', async () => {
    const own = site()
    const measured = await runFigure(figure({}), [entry('a', LISTENS)], own, plan, () => {})
    await own.scope.end()
    const { port } = measured[0]!.samples[0]!
    const server = createServer()
    onTestFinished(() => void server.close())
    await new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: '127.0.0.1' }, () => resolve(null))
    })
  })
})
