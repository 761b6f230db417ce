/**
 * The values that are text with a meaning (addresses, durations, sizes, CIDR rules) as schema leaves. Each keeps beside its
 * parser what a message, an editor and the reference page say about it.
 */

import * as z from 'zod'
import { messageOf } from '../errors.js'
import {
  checkBytes,
  checkMilliseconds,
  DURATION_EXAMPLES,
  DURATION_PATTERN,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_EXAMPLES,
  SIZE_PATTERN,
} from './units.js'

/** See `schema.ts`: what people write, or what a program makes. */
export type Form = 'text' | 'object'

/** What a field's zod `meta` may hold besides JSON Schema's own keywords; `json-schema.ts` strips it from what editors see. */
export interface FieldMeta {
  /** The type's name on the reference page. */
  readonly typeName?: string
  /** The default in words, where it is not a value. */
  readonly fallback?: string
  /** The default as a value, where the schema does not fill it in itself. */
  readonly builtIn?: string
  /** Optional to the schema, since the library may leave it out, but not in a file. */
  readonly required?: boolean
}

interface LeafMeta {
  readonly description: string
  /** What is accepted, as in `expected …`. */
  readonly expected: string
  readonly typeName: string
  readonly fallback?: string
}

/** Runs a parser that throws a TidegateError as a check whose message is that error's. */
const parsed = <Input, Output>(schema: z.ZodType<Input, Input>, parse: (value: Input) => Output) =>
  schema.transform((value, context) => {
    try {
      return parse(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) })
      return z.NEVER
    }
  })

export const textLeaf = <Output>(parse: (text: string) => Output, { expected, ...meta }: LeafMeta) =>
  parsed(z.string(`expected ${expected}`).min(1, `expected ${expected}`), parse).meta({ ...meta })

export const KEY_SEPARATOR = ', '

/** A mapping with these keys and no others. The message of `unrecognized_keys` is the list of them; see `issues.ts`. */
export const section = <Shape extends z.core.$ZodShape>(shape: Shape) => {
  const keys = Object.keys(shape).join(KEY_SEPARATOR)
  return z
    .strictObject(shape, {
      error: (issue) => (issue.code === 'unrecognized_keys' ? keys : 'expected a mapping'),
    })
    .readonly()
}

interface QuantityMeta {
  readonly description: string
  readonly fallback?: string
  readonly builtIn?: string
}

interface Bounds {
  readonly min: number
  readonly max: number
}

/** A duration or size: text with a unit, 0, or (in the object form) a whole number of the smallest unit. */
const quantityLeaf = (
  form: Form,
  read: { readonly text: (text: string) => number; readonly count: (value: number) => number },
  meta: QuantityMeta & { readonly examples: string; readonly typeName: string; readonly pattern: string },
  bounds?: Bounds,
) => {
  const parse = (found: string | number): number => {
    if (typeof found === 'string') return read.text(found)
    return form === 'object' || found === 0 ? read.count(found) : read.text(String(found))
  }
  const bounded = (found: string | number): number => {
    const value = parse(found)
    if (bounds && (value < bounds.min || value > bounds.max))
      throw new RangeError(
        `'${found}' is out of range; expected ${formatSize(bounds.min)} to ${formatSize(bounds.max)}`,
      )
    return value
  }
  const { pattern, examples, ...rest } = meta
  const text = { type: 'string', pattern }
  const number = form === 'object' ? { type: 'integer', minimum: 0 } : { const: 0 }
  const schema = z.custom<string | number>(
    (found) => typeof found === 'string' || typeof found === 'number',
    `expected a ${meta.typeName}, ${examples}`,
  )
  return parsed(schema, bounded).meta({ ...rest, ...(bounds ? text : { anyOf: [text, number] }) })
}

interface DurationMeta extends QuantityMeta {
  /** 0 is a mistake, where it would be a wait without end. */
  readonly positive?: boolean
}

const above0 = (ms: number): number => {
  if (ms > 0) return ms
  throw new RangeError(`it cannot be 0; expected ${DURATION_EXAMPLES}`)
}

/** Becomes milliseconds. */
export const durationLeaf = (form: Form, { positive = false, ...meta }: DurationMeta) => {
  const checked = positive ? above0 : (ms: number) => ms
  return quantityLeaf(
    form,
    { text: (text) => checked(parseDuration(text)), count: (value) => checked(checkMilliseconds(value)) },
    { ...meta, examples: DURATION_EXAMPLES, typeName: 'duration', pattern: DURATION_PATTERN },
  )
}

/** Becomes bytes, at least `min` and at most `max`. */
export const sizeLeaf = (form: Form, { min, max, description, ...meta }: QuantityMeta & Bounds) =>
  quantityLeaf(
    form,
    { text: parseSize, count: checkBytes },
    {
      ...meta,
      description: `${description} ${formatSize(min)} to ${formatSize(max)}.`,
      examples: SIZE_EXAMPLES,
      typeName: 'size',
      pattern: SIZE_PATTERN,
    },
    { min, max },
  )
