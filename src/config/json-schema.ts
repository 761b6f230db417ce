/**
 * The JSON Schema of config files: what editors complete from (`config.schema.json`), and what the reference page
 * (`docs/config.md`) is written from. `scripts/generate.mjs` writes both.
 */

import * as z from 'zod'
import type { FieldMeta } from './leaves.js'
import { configSchema } from './schema.js'

type Node = { [keyword: string]: unknown }

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length === 0 : isNode(value) && Object.keys(value).length === 0

/** Keys that a file must have although the schema lets the library leave them out. */
const requiredInFiles = (properties: Node): readonly string[] =>
  Object.entries(properties).flatMap(([key, field]) => (isNode(field) && field.required === true ? key : []))

/** Mends one node: what zod cannot know, and what it says of types but not of files. */
const mend = (node: Node): void => {
  delete node.readOnly
  if (isEmpty(node.default)) delete node.default
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum
  if (node.builtIn !== undefined) node.default = node.builtIn
  delete node.builtIn
  if (!isNode(node.properties)) return
  const required = [
    ...(Array.isArray(node.required) ? node.required : []),
    ...requiredInFiles(node.properties),
  ]
  if (required.length > 0) node.required = required
}

/** The page's words, which are no JSON Schema: editors do not need them. */
const strip = (node: Node): void => {
  for (const word of ['typeName', 'fallback'] satisfies readonly (keyof FieldMeta)[]) delete node[word]
  // A flag on a leaf (FieldMeta); on a mapping it is the keyword.
  if (node.required === true) delete node.required
}

/** Parents first, so that a mapping sees its fields' flags before they are stripped. */
const walk = (value: unknown, visit: (node: Node) => void): void => {
  if (Array.isArray(value)) for (const item of value) walk(item, visit)
  if (!isNode(value)) return
  visit(value)
  for (const [keyword, inner] of Object.entries(value)) {
    if (keyword === 'properties' && isNode(inner))
      for (const field of Object.values(inner)) walk(field, visit)
    else walk(inner, visit)
  }
}

/** With {@link FieldMeta}'s words for the reference page in it. */
export const annotatedJsonSchema = (): Node => {
  const schema: Node = {
    ...z.toJSONSchema(configSchema('text'), {
      // What the YAML and JSON language servers of all editors know best.
      target: 'draft-7',
      io: 'input',
      unrepresentable: 'any',
    }),
  }
  walk(schema, mend)
  return schema
}

/** The contents of `config.schema.json`. */
export const editorJsonSchema = (): Node => {
  const schema = annotatedJsonSchema()
  walk(schema, strip)
  return schema
}
