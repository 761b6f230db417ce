import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse.js'
import { ConfigError } from '../../src/config/problems.js'
import { limitIn, overbooked, planFor, readDescriptors } from '../../src/control/descriptors.js'

const FIGURES = { limit: 1024, open: null }
const ENGINE = { workers: 2, acceptsAll: false }

const config = parseConfig(
  {
    listeners: [
      { listen: '127.0.0.1:1', upstream: 'three' },
      { listen: '127.0.0.1:2', upstream: 'three', maxConnections: 300 },
      { listen: '127.0.0.1:3', upstream: '127.0.0.1:9', maxConnections: 200 },
    ],
    upstreams: {
      three: {
        endpoints: ['127.0.0.1:7', '127.0.0.1:8', '127.0.0.1:6'],
        check: {},
        pool: { mode: 'prewarm', min: 5 },
      },
      off: { endpoints: ['127.0.0.1:5'] },
    },
  },
  'config',
)

describe('the descriptors of a config', () => {
  it('are planned for each listener, check and pool', () => {
    const plan = planFor(config, FIGURES, ENGINE, 'config')
    expect(plan.reserved).toMatchObject({ engine: 14, listeners: 9, checks: 3, recording: 0 })
    expect(plan.pools).toBe(15)
  })

  it('must suffice: or it is a config error that says what was found and expected', () => {
    const plan = (): unknown => planFor(config, { limit: 80, open: null }, ENGINE, 'gate.yaml')
    expect(plan).toThrow(ConfigError)
    expect(plan).toThrow(
      /^gate\.yaml: 80 descriptors may be open, but at least \d+ are needed: .* lower pool\.min$/,
    )
  })

  it('are told to be too few for what listeners may take, with figures, only when they are', () => {
    expect(overbooked(config, planFor(config, FIGURES, ENGINE, 'config'))).toBe(
      'maxConnections of the listeners add up to 500, but of 1024 descriptors there are enough for 458 clients: ' +
        'the others wait; raise the limit (ulimit -n)',
    )
    expect(overbooked(config, planFor(config, { limit: 2048, open: null }, ENGINE, 'config'))).toBeNull()
  })
})

describe('the limit of descriptors', () => {
  it.each([
    ['Max open files            1024                 4096                 files     \n', 1024],
    [
      'Max processes  7 7 processes\nMax open files            20000                20000                files',
      20000,
    ],
    ['Max open files            unlimited            unlimited            files', null],
    ['', null],
  ])('is the soft one in %j', (text, limit) => {
    expect(limitIn(text)).toBe(limit)
  })

  it.runIf(process.platform === 'linux')('is known of this process, and so is what is open', () => {
    const figures = readDescriptors()
    expect(figures?.limit).toBeGreaterThan(figures?.open ?? Number.POSITIVE_INFINITY)
    expect(Math.abs((figures?.open ?? 0) - readdirSync('/proc/self/fd').length)).toBeLessThan(10)
  })
})
