/**
 * What contradicts itself within one upstream: sizes that do not fit in one another, a pool that cannot be safe, a health
 * rule that cannot work. Looks at the input as written, as `references.ts` does.
 */

import { formatAddress } from '../core/address.js'
import {
  addressOf,
  durationOf,
  endpointTextsOf,
  type Fields,
  fieldsOf,
  isFields,
  sameText,
  wholeNumberOf,
} from './as-written.js'
import { DEFAULT_BACKOFF_MS, DEFAULT_CHECK_INTERVAL_MS } from './defaults.js'
import type { PlacedReaders } from './paths.js'
import { type ConfigProblem, type PathSegment, problemAt } from './problems.js'
import { formatDuration } from './units.js'
import { type WakeContext, wakeProblems } from './wake-problems.js'

type Path = readonly PathSegment[]

const duplicateProblems = (upstream: Fields, path: Path, read: PlacedReaders): readonly ConfigProblem[] => {
  const taken = new Map<string, number>()
  return endpointTextsOf(upstream).flatMap((text, index) => {
    const address = addressOf(text, read)
    if (address === undefined) return []
    const first = taken.get(sameText(address))
    if (first === undefined) {
      taken.set(sameText(address), index)
      return []
    }
    const found = `'${formatAddress(address)}'`
    const lead = `${found} is endpoints[${first}] already`
    const expected = 'another address; a larger share of the clients is a weight'
    return [problemAt([...path, 'endpoints', index], { found, lead, expected })]
  })
}

const backupProblems = ({ endpoints }: Fields, path: Path): readonly ConfigProblem[] => {
  if (!Array.isArray(endpoints) || endpoints.length === 0) return []
  if (!endpoints.every((endpoint: unknown) => fieldsOf(endpoint).backup === true)) return []
  return [
    problemAt([...path, 'endpoints'], {
      found: 'only backups',
      lead: 'every endpoint is a backup, of nothing',
      expected: 'at least one that is none',
    }),
  ]
}

const backoffProblems = (passive: Fields, path: Path): readonly ConfigProblem[] => {
  const backoff = durationOf(passive.backoff ?? DEFAULT_BACKOFF_MS)
  const maxBackoff = durationOf(passive.maxBackoff)
  if (backoff === undefined || maxBackoff === undefined || backoff <= maxBackoff) return []
  const found = formatDuration(maxBackoff)
  const own = passive.backoff === undefined ? ' (its default)' : ''
  return [
    problemAt([...path, 'maxBackoff'], {
      found,
      lead: `${found} is shorter than the backoff of ${formatDuration(backoff)}${own}`,
      expected: `at least ${formatDuration(backoff)}, or a shorter backoff`,
    }),
  ]
}

const checkProblems = (check: Fields, path: Path): readonly ConfigProblem[] => {
  const interval = durationOf(check.interval ?? DEFAULT_CHECK_INTERVAL_MS)
  const timeout = durationOf(check.timeout)
  if (interval === undefined || timeout === undefined || timeout <= interval) return []
  const found = formatDuration(timeout)
  const own = check.interval === undefined ? ' (its default)' : ''
  return [
    problemAt([...path, 'timeout'], {
      found,
      lead: `${found} is longer than the interval of ${formatDuration(interval)}${own}: checks would overlap`,
      expected: `at most ${formatDuration(interval)}, or a longer interval`,
    }),
  ]
}

const cutProblems = ({ onDown, check }: Fields, path: Path): readonly ConfigProblem[] =>
  onDown === 'cut' && check === undefined
    ? [
        problemAt([...path, 'onDown'], {
          found: "'cut'",
          lead: 'cut, but without checks no endpoint is ever found down',
          expected: 'a check section, or keep',
        }),
      ]
    : []

/** `NAME: 20, more than LIMIT: 10`. */
const overProblem = (path: Path, name: string, value: number, limit: string, most: number): ConfigProblem =>
  problemAt([...path, name], {
    found: String(value),
    lead: `${value} is more than ${limit}: ${most}`,
    expected: `at most ${most}, or a higher ${limit}`,
  })

const sizeProblems = (pool: Fields, upstream: Fields, path: Path): readonly ConfigProblem[] => {
  const min = wholeNumberOf(pool.min)
  const max = wholeNumberOf(pool.max)
  const most = wholeNumberOf(upstream.maxConnections) ?? 0
  const problems: ConfigProblem[] = []
  if (min !== undefined && max !== undefined && min > max)
    problems.push(overProblem(path, 'min', min, 'max', max))
  else if (min !== undefined && most > 0 && min > most)
    problems.push(overProblem(path, 'min', min, 'maxConnections', most))
  if (max !== undefined && most > 0 && max > most)
    problems.push(overProblem(path, 'max', max, 'maxConnections', most))
  if (pool.mode === 'prewarm' && min === 0)
    problems.push(
      problemAt([...path, 'min'], {
        found: '0',
        lead: '0, but prewarm is to keep connections ready',
        expected: 'at least 1, or mode: off',
      }),
    )
  return problems
}

const NONCE = '{nonce}'

/** A nonce that is expected but never sent cannot come back. */
const nonceProblems = (reset: unknown, path: Path): readonly ConfigProblem[] => {
  const { send, expect } = fieldsOf(reset)
  if (typeof send !== 'string' || typeof expect !== 'string') return []
  if (!expect.includes(NONCE) || send.includes(NONCE)) return []
  return [
    problemAt([...path, 'reset', 'expect'], {
      found: NONCE,
      lead: `${NONCE} is expected but not sent, so it cannot come back`,
      expected: `${NONCE} in send as well, or nowhere`,
    }),
  ]
}

const PROOFS = 'reset: { send, expect }, or stateless: true if the protocol keeps nothing per connection'

const proofProblems = (pool: Fields, path: Path): readonly ConfigProblem[] => {
  const hasReset = pool.reset !== undefined
  const isStateless = pool.stateless === true
  if (pool.mode === 'reuse') {
    if (hasReset !== isStateless) return []
    const lead = hasReset
      ? 'both reset and stateless: true: a connection is cleaned, or needs no cleaning'
      : 'reuse without a proof that a connection is clean: what one client left on it, the next would get'
    return [
      problemAt(path, { found: "'reuse'", lead, expected: hasReset ? `one of them: ${PROOFS}` : PROOFS }),
    ]
  }
  if (pool.mode !== 'off' && pool.mode !== 'prewarm') return []
  return (['reset', 'stateless'] as const).flatMap((key) =>
    (key === 'reset' ? hasReset : isStateless)
      ? [
          problemAt([...path, key], {
            found: key,
            lead: `${key}, but with mode: ${pool.mode} no connection serves a second client`,
            expected: `mode: reuse, or no ${key}`,
          }),
        ]
      : [],
  )
}

const WHY_NO_PROXY_HEADER: Readonly<Record<string, string>> = {
  prewarm: 'a connection dialled ahead has none yet',
  reuse: 'a connection that is reused serves many',
}

const proxyProblems = ({ sendProxyProtocol, pool }: Fields, path: Path): readonly ConfigProblem[] => {
  const { mode } = fieldsOf(pool)
  const why =
    typeof mode === 'string' && Object.hasOwn(WHY_NO_PROXY_HEADER, mode)
      ? WHY_NO_PROXY_HEADER[mode]
      : undefined
  if (typeof sendProxyProtocol !== 'string' || why === undefined) return []
  return [
    problemAt([...path, 'sendProxyProtocol'], {
      found: `'${sendProxyProtocol}'`,
      lead: `the PROXY header names one client, at the start of a connection; ${why}`,
      expected: `pool.mode: off instead of ${mode}, or no sendProxyProtocol`,
    }),
  ]
}

const problemsWithin = (
  name: string,
  upstream: Fields,
  path: Path,
  { read, activators }: UpstreamContext,
): readonly ConfigProblem[] => {
  const pool = fieldsOf(upstream.pool)
  const poolPath = [...path, 'pool']
  return [
    ...duplicateProblems(upstream, path, read),
    ...backupProblems(upstream, path),
    ...backoffProblems(fieldsOf(upstream.passiveHealth), [...path, 'passiveHealth']),
    ...checkProblems(fieldsOf(upstream.check), [...path, 'check']),
    ...cutProblems(upstream, path),
    ...sizeProblems(pool, upstream, poolPath),
    ...proofProblems(pool, poolPath),
    ...nonceProblems(pool.reset, poolPath),
    ...proxyProblems(upstream, path),
    ...wakeProblems(name, upstream, path, { activators }),
  ]
}

export interface UpstreamContext extends WakeContext {
  readonly read: PlacedReaders
}

export const upstreamProblems = (input: unknown, context: UpstreamContext): readonly ConfigProblem[] =>
  Object.entries(fieldsOf(fieldsOf(input).upstreams)).flatMap(([name, upstream]) =>
    isFields(upstream) ? problemsWithin(name, upstream, ['upstreams', name], context) : [],
  )
