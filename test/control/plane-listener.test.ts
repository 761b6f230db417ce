import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OwnBooks } from '../../src/control/books.js'
import type { ListenerSettings, ProxySettings } from '../../src/control/plane.js'
import { PlaneListener } from '../../src/control/plane-listener.js'
import { MAX_PENDING_HEADERS } from '../../src/control/proxy-gate.js'
import { type Address, formatAddress } from '../../src/core/address.js'
import type { Listening } from '../../src/ports/engine.js'
import { ascii } from '../core/codec/proxy-protocol/builders.js'
import { PEER, PeerConn } from './peer-conn.js'

const REQUIRE: ProxySettings = { mode: 'require', from: ['10.0.0.0/8'], timeoutMs: 3000 }
const HEADER = ascii('PROXY TCP4 192.0.2.7 198.51.100.9 4711 443\r\n')
const STRANGER: Address = { kind: 'tcp', host: '172.16.0.1', port: 1 }

interface Changes {
  readonly proxy?: ProxySettings | null
  readonly maxConnections?: number
  readonly deny?: readonly string[]
}

const settingsOf = ({ proxy = REQUIRE, maxConnections = 0, deny = [] }: Changes): ListenerSettings => ({
  name: 'test',
  spec: { address: { kind: 'tcp', host: '10.0.0.1', port: 80 } },
  admission: { access: { allow: [], deny }, maxConnections, overflow: 'wait' },
  proxy,
  dial: { timeoutMs: 0 },
  link: { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 },
})

const listen = (changes: Changes = {}) => {
  const decided: string[] = []
  const books = new OwnBooks().listener('test')
  const listener = new PlaneListener(settingsOf(changes), books, (_, client, address, admission) => {
    decided.push(`${formatAddress(address)} ${admission.admitted ? 'in' : admission.reason}`)
    if (!admission.admitted) client.reset()
  })
  const state = { isPaused: false }
  const listening: Listening = {
    address: PEER,
    pause: () => {
      state.isPaused = true
    },
    resume: () => {
      state.isPaused = false
    },
    close: () => Promise.resolve(),
  }
  listener.opened(listening)
  const accept = (peer = new PeerConn()): PeerConn => {
    listener.accepted(peer)
    return peer
  }
  return { listener, books, decided, state, accept }
}

const settled = () => vi.advanceTimersByTimeAsync(0)

describe('a listener whose clients come through a proxy', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('decides of the client that the header names', async () => {
    const { decided, accept } = listen({ deny: ['192.0.2.7'] })
    accept().send(HEADER)
    accept().send(ascii('PROXY UNKNOWN\r\n'))
    await settled()
    expect(decided).toEqual(['192.0.2.7:4711 denied', '10.0.0.5:5000 in'])
  })

  it('decides nothing of a client before its header is there, and then in any order', async () => {
    const { decided, accept } = listen()
    const slow = accept()
    accept().send(HEADER)
    await settled()
    expect(decided).toEqual(['192.0.2.7:4711 in'])
    slow.send(HEADER)
    await settled()
    expect(decided).toHaveLength(2)
  })

  it('denies a peer that is no proxy of ours, or takes it as it is where a header is not required', () => {
    const required = listen()
    const stranger = required.accept(new PeerConn(STRANGER).send(HEADER))
    expect(required.decided).toEqual(['172.16.0.1:1 denied'])
    expect(stranger.wasReset).toBe(true)
    const accepted = listen({ proxy: { ...REQUIRE, mode: 'accept' } })
    accepted.accept(new PeerConn(STRANGER).send(HEADER))
    expect(accepted.decided).toEqual(['172.16.0.1:1 in'])
  })

  it('refuses a header that is none, or too late', async () => {
    const { decided, accept } = listen()
    const wrong = accept().send(ascii('GET / HTTP/1.1\r\n'))
    const silent = accept()
    await settled()
    expect(decided).toEqual(['10.0.0.5:5000 proxy_protocol'])
    expect([wrong.wasReset, silent.wasReset]).toEqual([true, false])
    await vi.advanceTimersByTimeAsync(3000)
    expect(decided).toEqual(['10.0.0.5:5000 proxy_protocol', '10.0.0.5:5000 proxy_protocol'])
  })

  it('accepts nobody while as many as it has room for have not sent their header', async () => {
    const { decided, state, accept } = listen()
    const waiting = Array.from({ length: MAX_PENDING_HEADERS - 1 }, () => accept())
    expect(state.isPaused).toBe(false)
    const last = accept()
    expect(state.isPaused).toBe(true)
    last.leave('reset')
    await settled()
    expect(state.isPaused).toBe(false)
    accept()
    expect(state.isPaused).toBe(true)
    await vi.advanceTimersByTimeAsync(3000)
    expect(state.isPaused).toBe(false)
    expect(decided).toHaveLength(MAX_PENDING_HEADERS + 1)
    expect(waiting.every(({ wasReset }) => wasReset)).toBe(true)
  })

  it('takes no place for a client whose header is not there yet, and lets nobody overtake', async () => {
    const { listener, books, decided, state, accept } = listen({ maxConnections: 1 })
    const [first, second, third] = [accept(), accept(), accept()]
    expect(state.isPaused).toBe(false)
    second.send(HEADER)
    await settled()
    expect(state.isPaused).toBe(true)
    first.send(ascii('PROXY TCP4 192.0.2.1 198.51.100.9 1 443\r\n'))
    await settled()
    third.send(ascii('PROXY TCP4 192.0.2.3 198.51.100.9 3 443\r\n'))
    await settled()
    expect(decided).toEqual(['192.0.2.7:4711 in'])
    books.leave()
    listener.regulate()
    books.leave()
    listener.regulate()
    expect(decided.slice(1)).toEqual(['192.0.2.1:1 in', '192.0.2.3:3 in'])
  })

  it('resets those that wait when it is shut, says nothing of them, and begins anew', async () => {
    const { listener, decided, accept } = listen()
    const waiting = accept()
    const arriving = accept().send(HEADER)
    await listener.shut()
    await settled()
    expect([waiting.wasReset, arriving.wasReset]).toEqual([true, true])
    expect(decided).toEqual([])
    accept().send(HEADER)
    await settled()
    expect(decided).toEqual(['192.0.2.7:4711 in'])
  })

  it('goes by other settings for the clients to come, and by the former for those that wait', async () => {
    const { listener, decided, accept } = listen()
    const before = accept()
    listener.update(settingsOf({ proxy: null }))
    accept().send(HEADER)
    before.send(HEADER)
    await settled()
    expect(decided).toEqual(['10.0.0.5:5000 in', '192.0.2.7:4711 in'])
    listener.update(settingsOf({ proxy: { ...REQUIRE, from: ['10.9.9.9'] } }))
    accept().send(HEADER)
    expect(decided.slice(2)).toEqual(['10.0.0.5:5000 denied'])
  })
})
