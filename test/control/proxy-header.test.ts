import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type HeaderOutcome, readProxyHeader } from '../../src/control/proxy-header.js'
import type { Address } from '../../src/core/address.js'
import { encodeProxyHeader } from '../../src/core/codec/proxy-protocol/encode.js'
import { ascii, tlv, v2 } from '../core/codec/proxy-protocol/builders.js'
import { PEER, PeerConn } from './peer-conn.js'

const SOURCE: Address = { kind: 'tcp', host: '192.0.2.7', port: 4711 }
const DESTINATION: Address = { kind: 'tcp', host: '198.51.100.9', port: 443 }

const REQUIRE = { mode: 'require', from: ['10.0.0.5'], timeoutMs: 3000 } as const
const ACCEPT = { ...REQUIRE, mode: 'accept' } as const

const HEADERS = [
  encodeProxyHeader('v1', SOURCE, DESTINATION),
  encodeProxyHeader('v2', SOURCE, DESTINATION),
  v2({ tlvs: tlv(0x05, Array(4096 + 216 - 12 - 3).fill(7)) }),
] as const

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (chunk: Uint8Array): string => new TextDecoder().decode(chunk)

const whyOf = (outcome: HeaderOutcome): string =>
  outcome.kind === 'refused' ? `${outcome.reason}: ${outcome.error?.message}` : outcome.kind

describe('reading a PROXY header', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it.each([REQUIRE, ACCEPT])(
    '($mode) tells the client and leaves what follows, whole or byte by byte',
    async (settings) => {
      for (const header of HEADERS) {
        const sent = Uint8Array.from([...header, ...bytes('GET /')])
        for (const pieces of [
          [sent],
          [header, bytes('GET /')],
          Array.from(sent, (byte) => Uint8Array.of(byte)),
        ]) {
          const peer = new PeerConn().send(...pieces)
          expect(await readProxyHeader(peer, settings)).toEqual({ kind: 'client', address: SOURCE })
          let rest = text(peer.unreadBytes)
          while (rest.length < 5) rest += text(await peer.read(100, 1000))
          expect(rest).toBe('GET /')
        }
      }
    },
  )

  it('leaves a client that the proxy cannot tell, or that is the proxy itself, its own address', async () => {
    for (const header of [ascii('PROXY UNKNOWN\r\n'), v2({ command: 0x20 }), v2({ family: 0 })])
      expect(await readProxyHeader(new PeerConn().send(header), REQUIRE)).toEqual({
        kind: 'client',
        address: PEER,
      })
  })

  it.each([REQUIRE, ACCEPT])('($mode) cut anywhere by the end is a refusal', async (settings) => {
    for (const header of HEADERS.slice(0, 2))
      for (let length = 1; length < header.length; length++) {
        const outcome = await readProxyHeader(
          new PeerConn().send(header.subarray(0, length)).leave('end'),
          settings,
        )
        expect(whyOf(outcome)).toBe('proxy_protocol: 10.0.0.5:5000 ended within its PROXY header')
      }
  })

  it.each([REQUIRE, ACCEPT])(
    '($mode) that does not come whole in time is a refusal, however it drips',
    async (settings) => {
      const header = HEADERS[0]
      const peer = new PeerConn()
      const reading = readProxyHeader(peer, settings)
      for (const byte of header.subarray(0, 30)) {
        peer.send(Uint8Array.of(byte))
        await vi.advanceTimersByTimeAsync(99)
      }
      await vi.advanceTimersByTimeAsync(31)
      expect(whyOf(await reading)).toBe(
        'proxy_protocol: 10.0.0.5:5000 sent no whole PROXY header within 3000 ms',
      )
    },
  )

  it('that is not valid is a refusal that says why', async () => {
    for (const settings of [REQUIRE, ACCEPT])
      expect(whyOf(await readProxyHeader(new PeerConn().send(bytes('PROXY TCP5 \r\n')), settings))).toBe(
        'proxy_protocol: 10.0.0.5:5000 sent a PROXY header that is not valid: its protocol is none of TCP4, TCP6, UNKNOWN',
      )
  })

  it('that is required is not to be left out, nor the connection ended without it', async () => {
    expect(whyOf(await readProxyHeader(new PeerConn().send(bytes('GET /')), REQUIRE))).toBe(
      'proxy_protocol: 10.0.0.5:5000 did not begin with a PROXY header',
    )
    expect(whyOf(await readProxyHeader(new PeerConn().leave('end'), REQUIRE))).toBe(
      'proxy_protocol: 10.0.0.5:5000 ended without a PROXY header',
    )
  })

  it('that is only accepted may be left out, and nothing of what came instead is lost', async () => {
    const peer = new PeerConn().send(bytes('P'), bytes('RO'), bytes('TOCOL 1'))
    expect(await readProxyHeader(peer, ACCEPT)).toEqual({ kind: 'client', address: PEER })
    expect(text(peer.unreadBytes)).toBe('PROTOCOL 1')
    expect(await readProxyHeader(new PeerConn().leave('end'), ACCEPT)).toEqual({
      kind: 'client',
      address: PEER,
    })
  })

  it('that is only accepted is not waited for any longer than the time it has', async () => {
    const reading = readProxyHeader(new PeerConn(), ACCEPT)
    await vi.advanceTimersByTimeAsync(3000)
    expect(await reading).toEqual({ kind: 'client', address: PEER })
  })

  it('of a peer that resets is its end, whatever it has sent', async () => {
    for (const settings of [REQUIRE, ACCEPT])
      for (const sent of ['', 'PROXY'])
        expect(await readProxyHeader(new PeerConn().send(bytes(sent)).leave('reset'), settings)).toEqual({
          kind: 'refused',
          reason: 'client_reset',
        })
  })

  it('of a conn that is closed here meanwhile comes to nothing', async () => {
    const peer = new PeerConn()
    const reading = readProxyHeader(peer, REQUIRE)
    peer.reset()
    expect(await reading).toEqual({ kind: 'gone' })
  })
})
