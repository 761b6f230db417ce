/** The part of the schema that describes an upstream: where it is, how its clients are shared out, its health and its pool. */

import * as z from 'zod'
import { BALANCE_POLICIES } from '../core/balance/policy.js'
import { BYTES_EXAMPLES, parseBytes, parseTemplate } from './byte-text.js'
import * as defaults from './defaults.js'
import { type address, duration, durationLeaf, type Form, flag, section, textLeaf } from './leaves.js'
import { type PlacedReaders, readersFrom } from './paths.js'
import { formatDuration } from './units.js'
import { wake } from './wake-schema.js'

type AddressLeaf = ReturnType<typeof address>

interface CountMeta {
  readonly description: string
  readonly min?: number
  readonly max?: number
}

const wholeNumber = ({ min = 0, max }: CountMeta) =>
  max === undefined ? z.int().min(min) : z.int().min(min).max(max)

const count = (fallback: number, meta: CountMeta) =>
  wholeNumber(meta).prefault(fallback).meta({ description: meta.description })

const bytesLeaf = <Bytes>(parse: (text: string) => Bytes, description: string) =>
  textLeaf(parse, { description, expected: BYTES_EXAMPLES, typeName: 'bytes' })

const endpoint = (at: AddressLeaf) =>
  z.union(
    [
      at,
      section({
        address: at,
        weight: count(defaults.DEFAULT_WEIGHT, {
          description: "Its share of the clients beside the others'. `balance: first` has no use for it.",
          min: 1,
          max: defaults.MAX_WEIGHT,
        }),
        backup: flag('Gets clients only while all others are out of service.', false),
      }).meta({ description: 'An address alone is an endpoint with the defaults.' }),
    ],
    'expected an address, or { address, weight, backup }',
  )

const passiveHealth = (form: Form) =>
  section({
    failures: count(defaults.DEFAULT_PASSIVE_FAILURES, {
      description: 'Failed dials in a row until an endpoint is left out for a while. 0: it never is.',
      max: defaults.MAX_HEALTH_COUNT,
    }),
    backoff: duration(form, defaults.DEFAULT_BACKOFF_MS, {
      description: 'How long it is left out the first time; twice as long each time it fails again.',
      min: 1,
    }),
    maxBackoff: durationLeaf(form, { description: 'But never longer than this.', min: 1 })
      .optional()
      .meta({
        fallback: `\`${formatDuration(defaults.DEFAULT_MAX_BACKOFF_MS)}\`, or \`backoff\` if that is longer`,
      }),
  })

const check = (form: Form) =>
  section({
    interval: duration(form, defaults.DEFAULT_CHECK_INTERVAL_MS, {
      description: 'From the beginning of one check to the beginning of the next.',
      min: defaults.MIN_CHECK_INTERVAL_MS,
    }),
    timeout: durationLeaf(form, {
      description: 'A check that has not passed by then has failed; at most `interval`.',
      min: 1,
    })
      .optional()
      .meta({
        fallback: `\`${formatDuration(defaults.DEFAULT_CHECK_TIMEOUT_MS)}\`, or \`interval\` if that is shorter`,
      }),
    rise: count(defaults.DEFAULT_RISE, {
      description: 'Checks passed in a row after which an endpoint that is down is up.',
      min: 1,
      max: defaults.MAX_HEALTH_COUNT,
    }),
    fall: count(defaults.DEFAULT_FALL, {
      description: 'Checks failed in a row after which an endpoint that is up is down.',
      min: 1,
      max: defaults.MAX_HEALTH_COUNT,
    }),
    send: bytesLeaf(parseBytes, 'What is sent once connected: text, or bytes as `hex:0d0a`.')
      .optional()
      .meta({ fallback: 'nothing' }),
    expect: bytesLeaf(parseBytes, 'What the reply must begin with.')
      .optional()
      .meta({ fallback: 'nothing: to connect is enough' }),
  })

const reset = (form: Form) =>
  section({
    send: bytesLeaf(
      parseTemplate,
      'What is sent on a connection whose client has left. `{nonce}` becomes 16 random hex characters, other ones each time.',
    ),
    expect: bytesLeaf(
      parseTemplate,
      'What must come back, exactly: anything else, more or less, and the connection is closed. `{nonce}` as in `send`.',
    ),
    timeout: duration(form, defaults.DEFAULT_RESET_TIMEOUT_MS, {
      description: 'If it has not all come back by then, the connection is closed.',
      min: 1,
    }),
  })

const pool = (form: Form) =>
  section({
    mode: z.enum(['off', 'prewarm', 'reuse']).meta({
      description:
        '`off`: each client is dialled for. `prewarm`: connections are dialled ahead, each serves one client. `reuse`: a connection is taken back when its client has left, proven clean, and serves the next.',
    }),
    min: wholeNumber({ description: '', max: defaults.MAX_POOL_MAX })
      .optional()
      .meta({
        description: 'Idle connections kept ready per endpoint, dialled ahead of clients.',
        fallback: `\`${defaults.DEFAULT_PREWARM_MIN}\` with \`prewarm\`, else \`${defaults.DEFAULT_REUSE_MIN}\``,
      }),
    max: wholeNumber({ description: '', min: 1, max: defaults.MAX_POOL_MAX })
      .optional()
      .meta({
        description: 'Most idle connections kept per endpoint.',
        fallback: `\`${defaults.DEFAULT_POOL_MAX}\`, but at least \`min\` and at most \`maxConnections\``,
      }),
    idleTimeout: duration(form, defaults.DEFAULT_POOL_IDLE_TIMEOUT_MS, {
      description: 'Closes idle connections beyond `min` that were not needed for this long. 0: never.',
    }),
    maxAge: duration(form, defaults.DEFAULT_MAX_AGE_MS, {
      description: 'Closes a connection, once it is idle, this long after it was dialled. 0: never.',
    }),
    maxUses: count(defaults.DEFAULT_MAX_USES, {
      description: 'How many clients one connection serves with `reuse`. 0: no limit.',
    }),
    reset: reset(form).optional().meta({
      description: 'With `reuse`: the exchange that proves a connection clean.',
      fallback: 'none',
    }),
    stateless: flag(
      'With `reuse`, instead of `reset`: the protocol keeps nothing per connection, so there is nothing to clean.',
      false,
    ),
    quiet: duration(form, defaults.DEFAULT_QUIET_MS, {
      description:
        'With `reuse`: how long the upstream must have been silent before another client gets the connection. 0: not waited for.',
    }),
  })

/** All but the endpoints: what an upstream that is only an address has by default. */
const settings = (form: Form, read: PlacedReaders) => ({
  balance: z.enum(BALANCE_POLICIES).prefault(defaults.DEFAULT_BALANCE).meta({
    description:
      'Which endpoint the next client gets. `first`: in the order written, the next only when the one before cannot be reached. `round_robin`: in turns. `least_conn`: the least loaded. `random`: the less loaded of two. `source_hash`: always the same for a client IP.',
  }),
  maxConnections: count(defaults.DEFAULT_MAX_CONNECTIONS, {
    description: 'Most connections to each endpoint, of all threads, idle ones included. 0: no limit.',
  }),
  queueTimeout: duration(form, defaults.DEFAULT_QUEUE_TIMEOUT_MS, {
    description: 'Longest wait of a client while all endpoints are full. 0: no limit.',
  }),
  maxQueue: count(defaults.DEFAULT_MAX_QUEUE, {
    description: 'Most clients that wait for this upstream; more are refused. 0: none waits.',
  }),
  resolveInterval: duration(form, defaults.DEFAULT_RESOLVE_INTERVAL_MS, {
    description: 'How often the names among the endpoints are looked up again. 0: only once.',
  }),
  passiveHealth: passiveHealth(form).prefault({}).meta({
    description: "What clients' own dials say about an endpoint.",
    fallback: 'see `passiveHealth`',
  }),
  check: check(form).optional().meta({
    description: 'Connections made only to see whether an endpoint is there.',
    fallback: 'no checks',
  }),
  onDown: z
    .enum(['keep', 'cut'])
    .prefault('keep')
    .meta({ description: 'What happens to the open connections of an endpoint that its checks find down.' }),
  pool: pool(form)
    .prefault({ mode: 'off' })
    .meta({ description: 'Connections that are ready before their client is.' }),
  sendProxyProtocol: z.enum(['v1', 'v2']).optional().meta({
    description: 'Begins each connection with a PROXY header that names the client to the upstream.',
    fallback: 'none is sent',
  }),
  wake: wake(form, read).optional().meta({
    description: 'Starts the service when a client comes, and stops it when it is idle. See docs/wake.md.',
    fallback: 'the service is there anyway',
  }),
})

export const upstream = (form: Form, at: AddressLeaf, read: PlacedReaders) =>
  z.union(
    [
      at,
      section({
        endpoints: z.array(endpoint(at)).min(1).readonly().optional().meta({
          description: 'Where the service is: addresses, or mappings with an `address`.',
          typeName: 'list of endpoints',
          fallback: 'required, but with `wake` in the modes `inetd` and `listener`',
        }),
        ...settings(form, read),
      }).meta({ description: 'Where there is only one endpoint, `NAME: 127.0.0.1:6379` says the same.' }),
    ],
    'expected an address, or { endpoints: [address, …] }',
  )

const built = section(settings('text', readersFrom(undefined))).parse({})

export type CheckedSettings = typeof built

/** What counts for an upstream that is written as an address alone. */
export const DEFAULT_SETTINGS: CheckedSettings = built
