import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { annotatedJsonSchema, editorJsonSchema } from '../../src/config/json-schema.js'
import { parseConfig } from '../../src/config/parse.js'

const schema = editorJsonSchema()
const accepts = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema)

const listener = { listen: ':6380', upstream: 'redis:6379' }

/** Every mapping that lists its keys. */
const mappingsOf = (
  node: unknown,
): readonly { properties: Record<string, object>; required?: string[] }[] => {
  if (typeof node !== 'object' || node === null) return []
  const inner = Object.values(node).flatMap(mappingsOf)
  return 'properties' in node && 'additionalProperties' in node
    ? [node as { properties: Record<string, object> }, ...inner]
    : inner
}

/** Every node that describes a key. */
const fieldsOf = (node: unknown): readonly Record<string, unknown>[] => {
  if (typeof node !== 'object' || node === null) return []
  const properties = 'properties' in node ? Object.values(node.properties ?? {}) : []
  return [...properties, ...Object.values(node).flatMap(fieldsOf)]
}

describe('the JSON Schema', () => {
  it('is what config.schema.json holds (else: npm run generate)', () => {
    const file = new URL('../../config.schema.json', import.meta.url)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(schema)
  })

  it('describes every key', () => {
    const fields = fieldsOf(schema)
    expect(fields.length).toBeGreaterThan(30)
    for (const field of fields) expect(field.description).toEqual(expect.stringMatching(/./))
  })

  it('says of every key for the reference page what counts when it is left out', () => {
    const mappings = mappingsOf(annotatedJsonSchema())
    expect(mappings).toHaveLength(22)
    for (const { properties, required = [] } of mappings)
      for (const [key, field] of Object.entries(properties))
        expect(required.includes(key) || 'default' in field || 'fallback' in field, key).toBe(true)
  })

  it('has no words that only the reference page knows', () => {
    expect(JSON.stringify(schema)).not.toMatch(/"(typeName|fallback|builtIn|readOnly)":/)
  })

  it('has the defaults as people would write them', () => {
    expect(schema).toMatchObject({
      properties: {
        timeouts: { properties: { idle: { default: '10m' } } },
        listeners: {
          items: { properties: { bufferSize: { default: '64KiB' }, noDelay: { default: true } } },
        },
      },
    })
  })

  it.each([
    ['the least', { listeners: [listener] }],
    ['a duration as text', { listeners: [listener], drainTimeout: '1.5s' }],
    ['a duration of 0', { listeners: [listener], drainTimeout: 0 }],
    ['an upstream as an address', { listeners: [listener], upstreams: { a: ':1' } }],
    ['an upstream with endpoints', { listeners: [listener], upstreams: { a: { endpoints: [':1'] } } }],
    [
      'an upstream with everything',
      {
        listeners: [listener],
        upstreams: {
          a: {
            endpoints: [':1', { address: ':2', weight: 3, backup: true }],
            balance: 'random',
            check: { interval: '1s', send: 'x' },
            pool: { mode: 'reuse', reset: { send: 'hex:00', expect: '{nonce}' } },
          },
        },
      },
    ],
  ])('accepts %s', (_, config) => {
    expect(accepts(config)).toBe(true)
  })

  it.each([
    ['no listeners', {}],
    ['an empty list of listeners', { listeners: [] }],
    ['a listener without an upstream', { listeners: [{ listen: ':1' }] }],
    ['an unknown key', { listeners: [listener], foo: 1 }],
    ['an unknown key of a listener', { listeners: [{ ...listener, idle: '5s' }] }],
    ['a duration without its unit', { listeners: [listener], drainTimeout: 30 }],
    ['a duration in words', { listeners: [listener], drainTimeout: '10 minutes' }],
    ['a size in KB', { listeners: [{ ...listener, bufferSize: '64KB' }] }],
    ['a word that is not a choice', { listeners: [{ ...listener, overflow: 'drop' }] }],
    ['an upstream without endpoints', { listeners: [listener], upstreams: { a: { endpoints: [] } } }],
    [
      'a weight of 0',
      { listeners: [listener], upstreams: { a: { endpoints: [{ address: ':1', weight: 0 }] } } },
    ],
    [
      'a pool without a mode',
      { listeners: [listener], upstreams: { a: { endpoints: [':1'], pool: { min: 1 } } } },
    ],
    ['an upstream whose name is an address', { listeners: [listener], upstreams: { 'a:1': ':1' } }],
  ])('refuses %s, as the parser does', (_, config) => {
    expect(accepts(config)).toBe(false)
    expect(() => parseConfig(config, 'config', { form: 'text' })).toThrow()
  })

  it('accepts whatever the parser accepts', () => {
    const mostly = (valid: unknown[], invalid: unknown[]) =>
      fc.oneof(
        { weight: 40, arbitrary: fc.constantFrom(...valid) },
        { weight: 1, arbitrary: fc.constantFrom(...invalid) },
      )
    const duration = mostly(['0', 0, '500ms', '1.5s', '24d'], [30, '5 s', null])
    const timeouts = fc.record(
      { connect: duration, idle: duration, halfClose: duration },
      { requiredKeys: [] },
    )
    const listeners = fc.record(
      {
        name: mostly(['a', 'é€'], ['\n', 7]),
        listen: mostly([':0', '[::1]:0', 'localhost:0'], ['foo']),
        upstream: mostly(['a', ':9', 'unix:/out'], ['']),
        allow: mostly([[], ['10.0.0.0/8'], ['::1', '::/0']], ['::1']),
        maxConnections: mostly([0, 5, 1e15], [-1]),
        overflow: mostly(['wait', 'refuse'], ['drop']),
        timeouts,
        bufferSize: mostly(['4KiB', '16MiB'], ['1B', 0]),
        record: fc.constant(false),
      },
      { requiredKeys: ['listen', 'upstream'] },
    )
    const config = fc.record(
      {
        listeners: fc.array(listeners, { minLength: 1, maxLength: 1 }),
        upstreams: fc.record({
          a: mostly(
            [
              ':1',
              'unix:/a',
              { endpoints: [':1', 'b:2'] },
              { endpoints: [{ address: ':1', weight: 256 }], balance: 'first', onDown: 'keep' },
              { endpoints: [':1'], check: { interval: '10ms' }, pool: { mode: 'prewarm', max: 3 } },
            ],
            [{ endpoints: [] }, { endpoints: [':1'], pool: {} }, 7],
          ),
        }),
        timeouts,
        record: fc.record({
          file: mostly(['a'], ['']),
          overload: mostly(['block', 'drop', 'disconnect'], ['wait']),
        }),
        log: fc.record({ level: mostly(['info', 'silent'], ['loud']) }, { requiredKeys: [] }),
        drainTimeout: duration,
      },
      { requiredKeys: ['listeners', 'upstreams'] },
    )
    let accepted = 0
    fc.assert(
      fc.property(config, (input) => {
        try {
          parseConfig(input, 'config', { form: 'text' })
        } catch {
          return
        }
        accepted++
        expect(accepts(input), JSON.stringify(accepts.errors)).toBe(true)
      }),
      { numRuns: 200 },
    )
    expect(accepted).toBeGreaterThan(50)
  })
})
