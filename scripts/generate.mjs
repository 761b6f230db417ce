/**
 * Writes what is made of the config's schema: `config.schema.json` for editors and the reference page `docs/config.md`; and
 * the diagram of the activation machine in `docs/wake.md`.
 * Works on the built package. With `--check` it writes nothing and fails when any of them is not up to date.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { annotatedJsonSchema, editorJsonSchema } from '../build/config/json-schema.js'
import { withWakeDiagram } from './wake-diagram.mjs'

const at = (path) => new URL(`../${path}`, import.meta.url)

const INTRODUCTION = `# Config

<!-- Written by scripts/generate.mjs from src/config/schema.ts: change that, then \`npm run generate\`. -->

\`tidegate serve CONFIG\` runs what a config describes, \`tidegate check CONFIG\` says what that would be, or
everything that is wrong with it, and starts nothing. A config is YAML or JSON. The library's \`createGateway\` takes
the same as an object.

- Durations: \`500ms\`, \`30s\`, \`5m\`, \`1h\`, \`1d\`; at most 24 days. Sizes: \`4096B\`, \`64KiB\`, \`256MiB\`, \`1GiB\`.
  Decimals are fine (\`1.5s\`). In a config file only \`0\` may go without its unit; to the library a plain number is
  milliseconds, or bytes.
- Addresses: \`host:port\`, \`:port\` (every interface when listening, loopback when connecting), \`[::1]:port\` (in
  YAML in quotes), \`unix:/path\`.
- Client rules (\`allow\`, \`deny\`): an IP address or a network such as \`10.0.0.0/8\` or \`fd00::/8\`. IPv4 clients of
  an IPv6 listener match IPv4 rules. Clients of a unix socket have no address: an \`allow\` list refuses them.
- Relative paths in a config file start at the file's own folder; in the library, at the working directory.
- Keys that do not exist are mistakes, and all mistakes are reported at once.
- Editors complete keys and show mistakes with \`config.schema.json\`: in YAML as the first line
  \`# yaml-language-server: $schema=./node_modules/tidegate/config.schema.json\`, in JSON as a \`$schema\` key.

## Example

[examples/](../examples) has smaller ones. This is every key:

`

const code = (value) => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``

const rangeOf = ({ minimum, maximum }) => {
  if (minimum === undefined) return 'integer'
  return maximum === undefined ? `integer ≥ ${minimum}` : `integer ${minimum}–${maximum}`
}

const typeOf = (field) => {
  if (field.typeName !== undefined) return field.typeName
  if (field.enum !== undefined) return field.enum.map(code).join(', ')
  if (field.type === 'integer') return rangeOf(field)
  if (field.type === 'array') return 'list'
  if (field.type === 'object') return 'mapping'
  return field.type
}

const defaultOf = (field, required) => {
  if (required) return '**required**'
  if (field.default !== undefined) return code(field.default)
  return field.fallback ?? ''
}

const table = (mapping) => [
  '| key | type | default | meaning |',
  '|---|---|---|---|',
  ...Object.entries(mapping.properties).map(([key, field]) => {
    const required = mapping.required?.includes(key) ?? false
    return `| \`${key}\` | ${typeOf(field)} | ${defaultOf(field, required)} | ${field.description} |`
  }),
]

const intro = ({ description }) => (description === undefined ? [] : [description, ''])

/** The mappings to describe, with what to call each: itself, a list's items, or a map's values. */
const sectionsOf = (path, field) => {
  const inner = [
    ...(field.type === 'object' && field.properties !== undefined ? [{ path, mapping: field }] : []),
    ...Object.entries(field.properties ?? {}).flatMap(([key, value]) =>
      sectionsOf(path === '' ? key : `${path}.${key}`, value),
    ),
  ]
  if (field.items !== undefined) inner.push(...sectionsOf(`${path}[]`, field.items))
  if (typeof field.additionalProperties === 'object')
    inner.push(...sectionsOf(`${path}.NAME`, field.additionalProperties))
  for (const alternative of field.anyOf ?? []) inner.push(...sectionsOf(path, alternative))
  return inner
}

const page = () => {
  const example = readFileSync(at('examples/full.yaml'), 'utf8')
  const schema = annotatedJsonSchema()
  const sections = sectionsOf('', schema).map(({ path, mapping }) =>
    [`## ${path === '' ? 'Top level' : `\`${path}\``}`, '', ...intro(mapping), ...table(mapping), ''].join(
      '\n',
    ),
  )
  return `${INTRODUCTION}\`\`\`yaml\n${example}\`\`\`\n\n${sections.join('\n')}`
}

const outputs = {
  'config.schema.json': `${JSON.stringify(editorJsonSchema(), null, 2)}\n`,
  'docs/config.md': page(),
  'docs/wake.md': withWakeDiagram(readFileSync(at('docs/wake.md'), 'utf8')),
}

const stale = Object.entries(outputs)
  .filter(([path, text]) => !existsSync(at(path)) || readFileSync(at(path), 'utf8') !== text)
  .map(([path]) => path)

if (!process.argv.includes('--check')) for (const path of stale) writeFileSync(at(path), outputs[path])
else if (stale.length > 0) {
  console.error(
    `${stale.join(' and ')} not up to date with src/config/schema.ts and src/core/wake/machine.ts; run: npm run generate`,
  )
  process.exitCode = 1
}
