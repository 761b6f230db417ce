import { describe, expect, it } from 'vitest'
import { SessionRunner } from '../../src/control/session-runner.js'
import type { PlaneUpstreams } from '../../src/control/upstreams/plane-upstreams.js'
import type { Course, Next, UpstreamUse } from '../../src/control/upstreams/reach.js'
import type { ConnectionRecord } from '../../src/core/session/record.js'
import type { Conn, Engine, Link, LinkObserver } from '../../src/ports/engine.js'
import { address, FakeConn, FakeEngine } from './upstreams/fake-engine.js'

const AT = address('10.0.0.1:80')
const TOTALS = { upstream: 0, downstream: 0 }

class FakeClient extends FakeConn {
  isReset = false
  override reset(): void {
    this.isReset = true
  }
  override watch(): void {}
}

/** A session whose connection had waited in a pool; `links` are those it has been given so far. */
const linked = () => {
  const links: { observer: LinkObserver; cutWith: string | null }[] = []
  const uses: string[][] = []
  const use = (): UpstreamUse => {
    const told: string[] = []
    uses.push(told)
    return {
      reuseAfterMs: null,
      isReplaceable: true,
      isFresh: true,
      linked: () => void told.push('linked'),
      unused: () => void told.push('unused'),
      ended: (reason) => void told.push(reason),
      takeBack: () => void told.push('back'),
    }
  }
  const course: Course = {
    next: (): Next => ({ kind: 'ready', address: AT, conn: new FakeConn(AT), use: use() }),
    forget: () => {},
  }
  const link = (_client: Conn, _upstream: Conn, observer: LinkObserver): Link => {
    const made = { observer, cutWith: null as string | null }
    links.push(made)
    const nothing = (): void => {}
    return {
      totals: TOTALS,
      hold: nothing,
      release: nothing,
      keepEnd: nothing,
      passEnd: nothing,
      isAnswered: () => false,
      interrupt: () => Promise.resolve('failed'),
      destroy: (reason) => {
        made.cutWith = reason
      },
    }
  }
  const engine: Engine = Object.assign(new FakeEngine(), { link } as object)
  const client = new FakeClient()
  const records: ConnectionRecord[] = []
  const steps: string[] = []
  const session = new SessionRunner({ id: 1, listener: 'test', client: address('10.0.0.9:9') }, client, {
    engine,
    control: {
      route: () => ({ kind: 'upstream', upstream: 'it' }),
      watch: () => ({}),
      closed: () => {},
    },
    upstreams: { course: () => course } as unknown as PlaneUpstreams,
    dial: { timeoutMs: 0 },
    link: { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 },
    onFinished: (record) => void records.push(record),
    onStep: ({ stateName }) => void steps.push(stateName),
  })
  session.begin({ admitted: true })
  const first = links[0]
  if (first === undefined) throw new Error('it has no link')
  const over = () => first.observer.onEnd({ reason: null, error: null, totals: TOTALS })
  return { session, first, links, uses, client, records, steps, over }
}

describe('a session whose upstream is lost before a byte moved', () => {
  it('gets another one', () => {
    const { session, first, links, uses, client, records, over } = linked()
    expect(first.observer.onUpstreamLost?.()).toBe(true)
    over()
    expect(session.stateName).toBe('linked')
    expect(links).toHaveLength(2)
    expect(uses).toEqual([['linked', 'unused'], ['linked']])
    expect([client.isReset, records]).toEqual([false, []])
  })

  it('ends with what it is cut for while the link is being undone, and leaves nothing behind', () => {
    const { session, first, links, uses, client, records, over } = linked()
    expect(first.observer.onUpstreamLost?.()).toBe(true)
    session.cut('killed')
    expect(records).toEqual([])
    over()
    expect(records).toMatchObject([{ reason: 'killed', error: null }])
    expect([links.length, first.cutWith, client.isReset]).toEqual([1, null, true])
    expect(uses).toEqual([['linked', 'unused']])
  })
})
