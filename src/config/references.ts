/**
 * What only shows across fields: names that must exist or be unique, addresses used twice, recording asked for without a
 * place to record to.
 *
 * It looks at the input as written, not at what the schema made of it, so that these problems are reported together with all
 * others. What is not of the right type is left to the schema to report.
 */

import { type Address, formatAddress, leadsBack } from '../core/address.js'
import { messageOf } from '../errors.js'
import { addressOf, endpointTextsOf, type Fields, isFields, sameText } from './as-written.js'
import type { PlacedReaders } from './paths.js'
import { type ConfigProblem, closestTo, describe, type PathSegment, problemAt } from './problems.js'
import { placeOfRecordProblems } from './record-problems.js'

/** A listener as far as it can be understood. */
interface Sketch {
  readonly path: readonly PathSegment[]
  readonly name: string | undefined
  readonly listen: Address | undefined
  readonly fields: Fields
}

const sketchesOf = (listeners: unknown, read: PlacedReaders): readonly Sketch[] =>
  (Array.isArray(listeners) ? listeners : []).flatMap((fields: unknown, index) => {
    if (!isFields(fields)) return []
    const name = typeof fields.name === 'string' ? fields.name : undefined
    return [{ path: ['listeners', index], name, listen: addressOf(fields.listen, read), fields }]
  })

/** Any port the kernel chooses is another one, so port 0 never clashes. */
const isFixed = (address: Address): boolean => address.kind === 'unix' || address.port !== 0

const addressProblems = (sketches: readonly Sketch[]): readonly ConfigProblem[] => {
  const taken = new Map<string, number>()
  return sketches.flatMap(({ listen, path }, index) => {
    if (listen === undefined || !isFixed(listen)) return []
    const first = taken.get(sameText(listen))
    if (first === undefined) {
      taken.set(sameText(listen), index)
      return []
    }
    const found = `'${formatAddress(listen)}'`
    const lead = `${found} is where listeners[${sketches[first]?.path[1]}] listens already`
    return [problemAt([...path, 'listen'], { found, lead, expected: 'another address, or port 0' })]
  })
}

const nameProblems = (sketches: readonly Sketch[]): readonly ConfigProblem[] => {
  const taken = new Map<string, PathSegment | undefined>()
  return sketches.flatMap(({ name, path }) => {
    if (name === undefined) return []
    if (!taken.has(name)) {
      taken.set(name, path[1])
      return []
    }
    const found = `'${name}'`
    const lead = `${found} is the name of listeners[${taken.get(name)}] already`
    return [problemAt([...path, 'name'], { found, lead, expected: 'a name of its own' })]
  })
}

const EXPECTED_UPSTREAM = 'a name under upstreams, or an address (host:port, unix:/path)'

/** A name cannot have a colon and an address always has one, so what was meant is never in doubt. */
export const isAddressText = (upstream: string): boolean => upstream.includes(':')

const targetProblem = (
  text: string,
  names: readonly string[],
  path: readonly PathSegment[],
  read: PlacedReaders,
) => {
  const found = describe(text)
  if (!isAddressText(text)) {
    const lead = `${found} is not under upstreams`
    return problemAt(path, { found, lead, expected: EXPECTED_UPSTREAM, suggestion: closestTo(text, names) })
  }
  try {
    read.endpoint(text)
    return undefined
  } catch (error) {
    const [lead = ''] = messageOf(error).split('; expected ')
    return problemAt(path, { found, lead, expected: EXPECTED_UPSTREAM })
  }
}

const targetProblems = (
  sketches: readonly Sketch[],
  upstreams: unknown,
  { read, upstreamOptional }: ReferenceOptions,
): readonly ConfigProblem[] => {
  const names = isFields(upstreams) ? Object.keys(upstreams) : []
  return sketches.flatMap(({ fields, path }) => {
    const { upstream } = fields
    const at = [...path, 'upstream']
    if (upstream === undefined)
      return upstreamOptional
        ? []
        : [problemAt(at, { found: 'nothing', lead: 'missing', expected: EXPECTED_UPSTREAM })]
    if (typeof upstream !== 'string' || upstream === '' || names.includes(upstream)) return []
    return targetProblem(upstream, names, at, read) ?? []
  })
}

/** The texts of the endpoints that an upstream stands for, whatever of it can be understood. */
const endpointTexts = (upstream: unknown, upstreams: unknown): readonly unknown[] => {
  if (typeof upstream !== 'string') return []
  if (isAddressText(upstream)) return [upstream]
  const named = isFields(upstreams) && Object.hasOwn(upstreams, upstream) ? upstreams[upstream] : undefined
  return isFields(named) ? endpointTextsOf(named) : [named]
}

const loopProblems = (
  sketches: readonly Sketch[],
  upstreams: unknown,
  { read }: ReferenceOptions,
): readonly ConfigProblem[] =>
  sketches.flatMap(({ listen, fields, path }) => {
    const endpoints = endpointTexts(fields.upstream, upstreams).map((text) => addressOf(text, read))
    const loop = endpoints.find((each) => each && listen && leadsBack(listen, each))
    if (loop === undefined) return []
    const found = `'${formatAddress(loop)}'`
    const lead = `${found} leads back to this listener: each connection would make another`
    return [problemAt([...path, 'upstream'], { found, lead, expected: 'the address of a service' })]
  })

const recordProblems = (sketches: readonly Sketch[], record: unknown): readonly ConfigProblem[] =>
  record !== undefined
    ? []
    : sketches
        .filter(({ fields }) => fields.record === true || isFields(fields.record))
        .map(({ fields, path }) =>
          problemAt([...path, 'record'], {
            found: describe(fields.record),
            lead: `${describe(fields.record)}, but there is no record section that says where to`,
            expected: 'a top-level record section with a file, or no record here',
          }),
        )

/** What of `proxyProtocol` a listener asks for; undefined when the schema has something to say about it. */
const proxyModeOf = ({ proxyProtocol = 'off' }: Fields): 'off' | 'on' | undefined => {
  if (proxyProtocol === 'off') return 'off'
  return proxyProtocol === 'require' || proxyProtocol === 'accept' ? 'on' : undefined
}

const isEmptyList = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.length === 0)

const proxyProblems = (sketches: readonly Sketch[]): readonly ConfigProblem[] =>
  sketches.flatMap(({ fields, listen, path }) => {
    const { proxyProtocol, proxyFrom } = fields
    const mode = proxyModeOf(fields)
    const problems: ConfigProblem[] = []
    const add = (key: string, found: string, lead: string, expected: string) =>
      problems.push(problemAt([...path, key], { found, lead, expected }))
    if (mode === 'on' && isEmptyList(proxyFrom)) {
      const found = proxyFrom === undefined ? 'nothing' : '[]'
      const lead = `${found === 'nothing' ? 'missing' : 'empty'}, but with proxyProtocol: ${proxyProtocol} any client could say that it is another`
      add('proxyFrom', found, lead, 'the addresses of the proxies in front, e.g. [10.0.0.5, 10.1.0.0/16]')
    }
    if (mode === 'on' && listen?.kind === 'unix') {
      const found = `'${proxyProtocol}'`
      const lead = `${found}, but the peers of a unix socket have no address that proxyFrom could name`
      add('proxyProtocol', found, lead, 'off, or a listener on a host and port')
    }
    if (mode === 'off' && proxyProtocol === undefined && !isEmptyList(proxyFrom))
      add(
        'proxyFrom',
        'a list',
        'given, but there is no proxyProtocol: no header would be read',
        'proxyProtocol: require or accept beside it',
      )
    return problems
  })

const workerProblems = ({ engine, workers }: Fields): readonly ConfigProblem[] =>
  engine === 'portable' && typeof workers === 'number' && workers > 0
    ? [
        problemAt(['workers'], {
          found: String(workers),
          lead: `${workers}, but the portable engine serves on the main thread only`,
          expected: '0, or another engine: linux or auto',
        }),
      ]
    : []

/** zod's records pass `__proto__` over in silence. */
const prototypeProblems = (upstreams: unknown): readonly ConfigProblem[] =>
  isFields(upstreams) && Object.hasOwn(upstreams, '__proto__')
    ? [
        problemAt(['upstreams'], {
          found: "'__proto__'",
          lead: "'__proto__' is not a name",
          expected: 'a name that JavaScript does not keep for itself',
        }),
      ]
    : []

export interface ReferenceOptions {
  /** The caller chooses upstreams itself, so a listener need not name one. */
  readonly upstreamOptional: boolean
  /** The caller takes what is recorded, so the config names no place for it. */
  readonly ownSink: boolean
  readonly read: PlacedReaders
}

export const referenceProblems = (input: unknown, options: ReferenceOptions): readonly ConfigProblem[] => {
  if (!isFields(input)) return []
  const sketches = sketchesOf(input.listeners, options.read)
  return [
    ...nameProblems(sketches),
    ...addressProblems(sketches),
    ...targetProblems(sketches, input.upstreams, options),
    ...loopProblems(sketches, input.upstreams, options),
    ...proxyProblems(sketches),
    ...recordProblems(sketches, input.record),
    ...placeOfRecordProblems(input.record, options.ownSink),
    ...workerProblems(input),
    ...prototypeProblems(input.upstreams),
  ]
}
