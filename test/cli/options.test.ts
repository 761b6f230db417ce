import { describe, expect, it } from 'vitest'
import { configOfFlags } from '../../src/cli/options.js'
import { parseConfig } from '../../src/config/parse.js'

describe('the config that a command line stands for', () => {
  const upstreamOf = (flags: Parameters<typeof configOfFlags>[2]) =>
    parseConfig(configOfFlags(':1', ['b:1', 'a:1'], flags)).upstreams.target

  it('tries the targets in the order given', () => {
    const { balance, endpoints } = upstreamOf({}) ?? {}
    expect(balance).toBe('first')
    expect(endpoints?.map(({ address }) => 'host' in address && address.host)).toEqual(['b', 'a'])
  })

  it('tells the targets their clients where --send-proxy says so', () => {
    expect(upstreamOf({})?.sendProxyProtocol).toBe(null)
    expect(upstreamOf({ sendProxy: 'v2' })?.sendProxyProtocol).toBe('v2')
  })

  it('records what the flags say', () => {
    const recordOf = (flags: Parameters<typeof configOfFlags>[2]) =>
      parseConfig(configOfFlags(':1', ['a:1'], { out: 'x', ...flags })).listeners[0]?.record
    expect(
      recordOf({
        sample: '.25',
        sampleBy: 'random',
        recordAllow: ['10.0.0.0/8'],
        recordDeny: ['10.0.0.1'],
        maxBytes: '1KiB',
        redact: ['a,b', 'c'],
      }),
    ).toEqual({
      enabled: true,
      sample: 0.25,
      sampleBy: 'random',
      allow: ['10.0.0.0/8'],
      deny: ['10.0.0.1'],
      maxBytes: 1024,
      redact: [
        { pattern: 'a,b', after: null, ignoreCase: false },
        { pattern: 'c', after: null, ignoreCase: false },
      ],
    })
    expect(recordOf({ metadataOnly: true })?.maxBytes).toBe(0)
  })

  it('unless --balance says how else', () => {
    expect(upstreamOf({ balance: 'source_hash' })?.balance).toBe('source_hash')
  })
})
