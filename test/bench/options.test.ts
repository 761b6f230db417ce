import { describe, expect, it } from 'vitest'
import { allContenders } from '../../bench/contenders/all.js'
import { FIGURES } from '../../bench/figures/all.js'
import { parseOptions } from '../../bench/options.js'

const parse = (...argv: string[]) =>
  parseOptions(argv, { figures: FIGURES, contenders: allContenders('', '') }, '/repository')

const options = (...argv: string[]) => {
  const parsed = parse(...argv)
  if (!('options' in parsed)) throw new Error(parsed.complaint)
  return parsed.options
}

describe('the options of the bench', () => {
  it('are everything, five rounds of two seconds, by default', () => {
    expect(options()).toEqual({
      rounds: 5,
      seconds: 2,
      streams: 4,
      figures: null,
      contenders: null,
      quick: false,
      pin: false,
      other: null,
      from: null,
      out: '/repository/bench/results/latest.json',
      publish: false,
    })
  })

  it('take lists, separated by commas or repeated', () => {
    expect(options('--only', 'bulk, idle', '--only=latency').figures).toEqual(['bulk', 'idle', 'latency'])
    expect(options('--contenders', 'linux,haproxy').contenders).toEqual(['linux', 'haproxy'])
  })

  it('are short with --quick, unless they say otherwise', () => {
    expect(options('--quick')).toMatchObject({ rounds: 1, seconds: 1 })
    expect(options('--quick', '--rounds', '3')).toMatchObject({ rounds: 3, seconds: 1 })
  })

  it.each([
    [['--only', 'bulkk'], /'bulkk' is not one of bulk, bulk-down, /],
    [['--contenders', 'linux,envoy'], /'envoy' is not one of linux, portable, /],
    [['--rounds', '0'], /expected a whole number from 1 to 100/],
    [['--seconds', '1.5'], /expected a whole number from 1 to 60/],
    [['--contenders', 'linux,other-linux'], /'other-linux' needs --other/],
    [['--bogus'], /unknown option '--bogus'/],
    [['bulk'], /too many arguments/],
    [['--publish', '--quick'], /'--publish' cannot be used with option '--quick'/],
    [['--from', 'x.json', '--rounds', '2'], /'--from <json>' cannot be used with option '--rounds <n>'/],
  ])('that are wrong (%j) are answered with one line', (argv, message) => {
    const parsed = parse(...argv)
    expect(parsed).toMatchObject({ exit: 2, complaint: expect.stringMatching(message) })
    expect(parsed).toMatchObject({ complaint: expect.stringMatching(/^bench: [^\n]+ --help'\n$/) })
  })
})
