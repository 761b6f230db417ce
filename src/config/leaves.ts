/**
 * The values that are text with a meaning (addresses, durations, sizes, CIDR rules) as schema leaves. Each keeps beside its
 * parser what a message, an editor and the reference page say about it.
 */

import * as z from 'zod'
import type { Address } from '../core/address.js'
import { checkCidr } from '../core/route/cidr.js'
import { messageOf } from '../errors.js'
import { MAX_DURATION_MS } from './defaults.js'
import {
  checkBytes,
  checkMilliseconds,
  DURATION_EXAMPLES,
  DURATION_PATTERN,
  formatDuration,
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

export const address = (parse: (text: string) => Address, description: string) =>
  textLeaf(parse, {
    description,
    expected: 'an address: host:port, :port, [ipv6]:port or unix:/path',
    typeName: 'address',
  })

export const flag = (description: string, value: boolean) => z.boolean().prefault(value).meta({ description })

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

/** Bounds as a message gives them. */
interface Range extends Bounds {
  readonly expected: string
}

/** A duration or size: text with a unit, 0, or (in the object form) a whole number of the smallest unit. */
const quantityLeaf = (
  form: Form,
  read: { readonly text: (text: string) => number; readonly count: (value: number) => number },
  meta: QuantityMeta & { readonly examples: string; readonly typeName: string; readonly pattern: string },
  range?: Range,
) => {
  const parse = (found: string | number): number => {
    if (typeof found === 'string') return read.text(found)
    return form === 'object' || found === 0 ? read.count(found) : read.text(String(found))
  }
  const bounded = (found: string | number): number => {
    const value = parse(found)
    if (range && (value < range.min || value > range.max))
      throw new RangeError(`'${found}' is out of range; expected ${range.expected}`)
    return value
  }
  const { pattern, examples, ...rest } = meta
  const text = { type: 'string', pattern }
  const number = form === 'object' ? { type: 'integer', minimum: 0 } : { const: 0 }
  const isText = range !== undefined && range.min > 0
  const schema = z.custom<string | number>(
    (found) => typeof found === 'string' || typeof found === 'number',
    `expected a ${meta.typeName}, ${examples}`,
  )
  return parsed(schema, bounded).meta({ ...rest, ...(isText ? text : { anyOf: [text, number] }) })
}

/** Becomes milliseconds, at least `min`. */
export const durationLeaf = (form: Form, { min, ...meta }: QuantityMeta & { readonly min?: number }) =>
  quantityLeaf(
    form,
    { text: parseDuration, count: checkMilliseconds },
    { ...meta, examples: DURATION_EXAMPLES, typeName: 'duration', pattern: DURATION_PATTERN },
    min === undefined
      ? undefined
      : { min, max: MAX_DURATION_MS, expected: `at least ${formatDuration(min)}` },
  )

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
    { min, max, expected: `${formatSize(min)} to ${formatSize(max)}` },
  )

/** As {@link durationLeaf}, with a value where it is left out, ms. */
export const duration = (
  form: Form,
  fallback: number,
  meta: { readonly description: string; readonly min?: number },
) => durationLeaf(form, meta).prefault(formatDuration(fallback))

/** For text that is only to be checked: what `parse` makes of it is not kept. */
export const check = (parse: (text: string) => unknown) => (text: string) => {
  parse(text)
  return text
}

/** A list that may be left out; {@link cidrs} fills it in. */
export const cidrList = () =>
  z
    .array(
      textLeaf(check(checkCidr), {
        description: 'An IP address or network',
        expected: 'a CIDR rule, e.g. 10.0.0.0/8',
        typeName: 'CIDR',
      }),
    )
    .readonly()

export const cidrs = (description: string, fallback: string) =>
  cidrList().prefault([]).meta({ description, typeName: 'list of CIDRs', fallback })
