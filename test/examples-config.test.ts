import { readdirSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseConfigText } from '../src/config/load.js'

const at = (path: string): URL => new URL(`../${path}`, import.meta.url)
const read = (path: string): string => readFileSync(at(path), 'utf8')

const schema = JSON.parse(read('config.schema.json'))
const accepts = new Ajv().compile(schema)

const examples = readdirSync(at('examples')).filter((name) => /\.(ya?ml|json)$/.test(name))

/** `listeners[].timeouts.idle` for every key of the schema; alternatives are one. */
const keysOf = (node: unknown, path = ''): readonly string[] => {
  if (typeof node !== 'object' || node === null) return []
  const { properties = {}, items, additionalProperties, anyOf = [] } = node as Record<string, never>
  return [
    ...Object.entries(properties).flatMap(([key, inner]) => [
      `${path}.${key}`,
      ...keysOf(inner, `${path}.${key}`),
    ]),
    ...keysOf(items, `${path}[]`),
    ...keysOf(additionalProperties, `${path}.*`),
    ...(anyOf as unknown[]).flatMap((alternative) => keysOf(alternative, path)),
  ]
}

/** The same of a value; `upstreams` is the one mapping whose keys are the user's own. */
const keysUsedBy = (value: unknown, path = ''): readonly string[] => {
  if (Array.isArray(value)) return value.flatMap((item) => keysUsedBy(item, `${path}[]`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const own = path === '.upstreams' ? `${path}.*` : `${path}.${key}`
    return [own, ...keysUsedBy(inner, own)]
  })
}

describe('example configs', () => {
  it('are there', () => {
    expect(examples).toEqual(
      expect.arrayContaining([
        'balanced.yaml',
        'full.yaml',
        'guarded.json',
        'pooled.yaml',
        'record-database.yaml',
        'record-files.yaml',
        'record.yaml',
        'relay.yaml',
        'wake.yaml',
      ]),
    )
  })

  it.each(examples)('%s is a valid config, to the parser and to editors', (name) => {
    const text = read(`examples/${name}`)
    expect(parseConfigText(text, name).listeners.length).toBeGreaterThan(0)
    expect(accepts(parse(text)), JSON.stringify(accepts.errors)).toBe(true)
  })

  it('full.yaml has every key there is, but those that only a recording into a database has', () => {
    const texts = ['examples/full.yaml', 'examples/record-database.yaml'].map(read)
    const used = new Set(texts.flatMap((text) => keysUsedBy(parse(text))))
    const missing = keysOf(schema).filter((key) => key !== '.$schema' && !used.has(key))
    expect(missing).toEqual([])
  })
})
