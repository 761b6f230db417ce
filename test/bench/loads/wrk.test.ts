import { describe, expect, it } from 'vitest'
import { parseWrk } from '../../../bench/loads/wrk.js'

const report = (
  p50: string,
  p99: string,
  time = '2.00s',
  trouble = '',
): string => `Running 2s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   401.64us  195.42us   3.31ms   76.61%
    Req/Sec    76.22k     2.13k   78.23k    80.00%
  Latency Distribution
     50%  ${p50}
     75%  504.00us
     90%  642.00us
     99%  ${p99}
  151834 requests in ${time}, 24.04MB read
${trouble}Requests/sec:  75818.05
Transfer/sec:     12.00MB
`

describe('the report of wrk', () => {
  it('gives requests, time and percentiles in microseconds', () => {
    expect(parseWrk(report('377.00us', '  1.02ms'))).toEqual({
      requests: 151834,
      seconds: 2,
      p50: 377,
      p99: 1020,
    })
    expect(parseWrk(report('2.50ms', '1.20s', '1.01m'))).toEqual({
      requests: 151834,
      seconds: 60.6,
      p50: 2500,
      p99: 1_200_000,
    })
  })

  it('is refused when requests failed', () => {
    const failed = report(
      '377.00us',
      '1.02ms',
      '2.00s',
      '  Socket errors: connect 0, read 12, write 0, timeout 0\n',
    )
    expect(() => parseWrk(failed)).toThrow('wrk: Socket errors: connect 0, read 12, write 0, timeout 0')
    expect(() => parseWrk(report('377.00us', '1.02ms', '2.00s', '  Non-2xx or 3xx responses: 7\n'))).toThrow(
      'wrk: Non-2xx or 3xx responses: 7',
    )
  })

  it('is refused when nothing was answered', () => {
    expect(() => parseWrk(report('0.00us', '0.00us'))).toThrow('wrk printed no figures')
    expect(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n')).toThrow(
      'unable to connect to 127.0.0.1:1 Connection refused',
    )
  })
})
