/**
 * The values that are text with a meaning (addresses, durations, sizes, CIDR rules) as schema leaves. Each keeps beside its
 * parser what a message, an editor and the reference page say about it.
 */

import * as z from 'zod'
import { messageOf } from '../errors.js'
import {
  checkBytes,
  checkMilliseconds,
  DURATION_EXPECTED,
  DURATION_PATTERN,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_EXPECTED,
  SIZE_PATTERN,
} from './units.js'

/** See `schema.ts`: what people write, or what a program makes. */
export type Form = 'text' | 'object'

/** What a field's `meta` may hold, for the reference page and the messages. */
declare module 'zod' {
  interface GlobalMeta {
    /** What is accepted, for messages: `expected …`. */
    expected?: string
    /** The type's name on the reference page. */
    typeName?: string
    /** The default in words, where it is not a value. */
    fallback?: string
    /** Optional to the schema, since the library may leave it out, but not in a file. */
    required?: boolean
  }
}

interface LeafMeta {
  readonly description: string
  readonly expected: string
  readonly typeName: string
  readonly fallback?: string
}

/** Runs a parser that throws a TidegateError as a check whose message is that error's. */
const parsed = <Input, Output>(
  schema: z.ZodType<Input, Input>,
  parse: (value: Input) => Output,
): z.ZodPipe<z.ZodType<Input, Input>, z.ZodTransform<Awaited<Output>, Input>> =>
  schema.transform((value, context) => {
    try {
      return parse(value) as Awaited<Output>
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) })
      return z.NEVER
    }
  })

export const textLeaf = <Output>(parse: (text: string) => Output, meta: LeafMeta) =>
  parsed(z.string().min(1), parse).meta({ ...meta })

interface QuantityMeta {
  readonly description: string
  readonly fallback?: string
}

interface Bounds {
  readonly min: number
  readonly max: number
}

/** A duration or size: text with a unit, 0, or (in the object form) a whole number of the smallest unit. */
const quantityLeaf = (
  form: Form,
  read: { readonly text: (text: string) => number; readonly count: (value: number) => number },
  meta: QuantityMeta & { readonly expected: string; readonly typeName: string; readonly pattern: string },
  bounds?: Bounds,
) => {
  const { pattern, ...rest } = meta
  const parse = (found: string | number): number => {
    if (typeof found === 'string') return read.text(found)
    if (typeof found !== 'number') throw new TypeError(`expected a ${meta.typeName}`)
    if (form === 'object' || found === 0) return read.count(found)
    return read.text(String(found))
  }
  const bounded = (found: string | number): number => {
    const value = parse(found)
    if (bounds && (value < bounds.min || value > bounds.max))
      throw new RangeError(
        `'${found}' is out of range; expected ${formatSize(bounds.min)} to ${formatSize(bounds.max)}`,
      )
    return value
  }
  const number = form === 'object' ? { type: 'integer', minimum: 0 } : { const: 0 }
  return parsed(z.custom<string | number>(), bounded).meta({
    ...rest,
    anyOf: [{ type: 'string', pattern }, number],
  })
}

/** Becomes milliseconds. */
export const durationLeaf = (form: Form, meta: QuantityMeta) =>
  quantityLeaf(
    form,
    { text: parseDuration, count: checkMilliseconds },
    { ...meta, expected: DURATION_EXPECTED, typeName: 'duration', pattern: DURATION_PATTERN },
  )

/** Becomes bytes, at least `min` and at most `max`. */
export const sizeLeaf = (form: Form, { min, max, ...meta }: QuantityMeta & Bounds) =>
  quantityLeaf(
    form,
    { text: parseSize, count: checkBytes },
    { ...meta, expected: SIZE_EXPECTED, typeName: 'size', pattern: SIZE_PATTERN },
    { min, max },
  )
