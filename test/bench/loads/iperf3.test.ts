import { describe, expect, it } from 'vitest'
import { parseIperf3 } from '../../../bench/loads/iperf3.js'

describe('the report of iperf3', () => {
  it('gives what was received', () => {
    const end = {
      sum_sent: { bytes: 2_500_000_000, seconds: 2.0 },
      sum_received: { bytes: 2_400_000_000, seconds: 2.01 },
    }
    expect(parseIperf3(JSON.stringify({ start: {}, intervals: [], end }))).toEqual({
      bytes: 2_400_000_000,
      seconds: 2.01,
    })
  })

  it('is refused with what iperf3 complains of', () => {
    const text = JSON.stringify({
      start: {},
      end: {},
      error: 'unable to connect to server: Connection refused',
    })
    expect(() => parseIperf3(text)).toThrow('iperf3: unable to connect to server: Connection refused')
  })

  it('is refused when nothing was received', () => {
    expect(() => parseIperf3('{"end":{"sum_received":{"bytes":0,"seconds":2}}}')).toThrow('received nothing')
  })
})
