/** From what a user wrote to a frozen {@link GatewayConfig}, or to all that is wrong with it. */

import { formatAddress } from '../core/address.js'
import type { GatewayConfig, ListenerConfig, TimeoutsConfig } from './config.js'
import {
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_HALF_CLOSE_TIMEOUT_MS,
  DEFAULT_IDLE_TIMEOUT_MS,
} from './defaults.js'
import { expectation, problemsOf } from './issues.js'
import type { Form } from './leaves.js'
import { type PlacedReaders, readersFrom } from './paths.js'
import { ConfigError, type ConfigProblem } from './problems.js'
import { captureOf, recordOf } from './record.js'
import { referenceProblems } from './references.js'
import { type CheckedInput, configSchema } from './schema.js'
import { upstreamProblems } from './upstream-problems.js'
import { keyOf, upstreamsOf } from './upstreams.js'
import { lentListenerProblems } from './wake-problems.js'

export interface ParseOptions {
  /** A listener may leave `upstream` out, since the caller chooses it per connection. Default false. */
  readonly upstreamOptional?: boolean
  /** Upstreams whose service the caller starts itself (`wake` without `exec` and `command`). Default: none. */
  readonly activators?: ReadonlySet<string>
  /** What is recorded goes to a sink of the caller's: `record` has a spool and no place. Default false. */
  readonly ownSink?: boolean
  /** `text`: a duration or size needs its unit. `object` (default): a plain number is milliseconds or bytes. */
  readonly form?: Form
  /** Where relative paths (`record.file`, `unix:` addresses) start. Default: they are left relative, to the working directory. */
  readonly folder?: string
}

type CheckedListener = CheckedInput['listeners'][number]
type CheckedTimeouts = NonNullable<CheckedInput['timeouts']>

const BUILT_IN_TIMEOUTS: TimeoutsConfig = {
  connectMs: DEFAULT_CONNECT_TIMEOUT_MS,
  idleMs: DEFAULT_IDLE_TIMEOUT_MS,
  halfCloseMs: DEFAULT_HALF_CLOSE_TIMEOUT_MS,
}

const NO_NAMES: ReadonlySet<string> = new Set()

const inherit = (own: CheckedTimeouts | undefined, from: TimeoutsConfig): TimeoutsConfig => ({
  connectMs: own?.connect ?? from.connectMs,
  idleMs: own?.idle ?? from.idleMs,
  halfCloseMs: own?.halfClose ?? from.halfCloseMs,
})

/** Unnamed listeners are called by their address; several on port 0 are told apart: `127.0.0.1:0`, `127.0.0.1:0#2`. */
const namesOf = (listeners: readonly CheckedListener[]): readonly string[] => {
  const taken = new Set(listeners.flatMap(({ name }) => name ?? []))
  return listeners.map(({ name, listen }) => {
    if (name !== undefined) return name
    const base = formatAddress(listen)
    let free = base
    for (let n = 2; taken.has(free); n++) free = `${base}#${n}`
    taken.add(free)
    return free
  })
}

const listenersOf = (checked: CheckedInput, read: PlacedReaders): readonly ListenerConfig[] => {
  const timeouts = inherit(checked.timeouts, BUILT_IN_TIMEOUTS)
  const names = namesOf(checked.listeners)
  return checked.listeners.map((listener, index) => ({
    name: names[index] ?? '',
    listen: listener.listen,
    upstream: listener.upstream === undefined ? null : keyOf(listener.upstream, read),
    allow: listener.allow,
    deny: listener.deny,
    proxyProtocol: listener.proxyProtocol,
    proxyFrom: listener.proxyFrom,
    proxyTimeoutMs: listener.proxyTimeout,
    maxConnections: listener.maxConnections,
    overflow: listener.overflow,
    timeouts: inherit(listener.timeouts, timeouts),
    noDelay: listener.noDelay,
    keepAliveMs: listener.keepAlive,
    backlog: listener.backlog,
    ipv6Only: listener.ipv6Only,
    bufferBytes: listener.bufferSize,
    record: captureOf(listener.record, checked.record),
    handedOver: captureOf(listener.record === false ? undefined : listener.record, checked.record),
  }))
}

const configOf = (checked: CheckedInput, read: PlacedReaders, ownSink: boolean): GatewayConfig => ({
  listeners: listenersOf(checked, read),
  timeouts: inherit(checked.timeouts, BUILT_IN_TIMEOUTS),
  upstreams: upstreamsOf(checked, read),
  record: checked.record === undefined ? null : recordOf(checked.record, ownSink),
  log: checked.log,
  engine: checked.engine,
  workers: checked.workers,
  drainTimeoutMs: checked.drainTimeout,
})

const freeze = <T>(value: T): T => {
  // The bytes of a typed array cannot be frozen: Object.freeze throws.
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const inner of Object.values(value)) freeze(inner)
  return Object.freeze(value)
}

/** What is wrong with one listener stands together, whoever found it. */
const byPath = (a: ConfigProblem, b: ConfigProblem): number =>
  a.path.localeCompare(b.path, 'en', { numeric: true })

type Schema = ReturnType<typeof configSchema>

/** Building a schema takes ten times as long as using it; a process sees few folders. */
const schemas = new Map<string, Schema>()

const schemaFor = (form: Form, folder: string | undefined, read: PlacedReaders): Schema => {
  const key = JSON.stringify([form, folder])
  const schema = schemas.get(key) ?? configSchema(form, read)
  schemas.set(key, schema)
  return schema
}

/**
 * Checks a config and fills in every default.
 * @param source what messages call it: a file's name
 * @throws ConfigError (TidegateError `config_invalid`) with every problem, one line each.
 */
export const parseConfig = (
  input: unknown,
  source = 'config',
  {
    upstreamOptional = false,
    activators = NO_NAMES,
    ownSink = false,
    form = 'object',
    folder,
  }: ParseOptions = {},
): GatewayConfig => {
  const read = readersFrom(folder)
  const checked = schemaFor(form, folder, read).safeParse(input, { error: expectation })
  const problems = [
    ...(checked.success ? [] : problemsOf(checked.error, input)),
    ...referenceProblems(input, { upstreamOptional, ownSink, read }),
    ...upstreamProblems(input, { read, activators }),
    ...lentListenerProblems(input),
  ].sort(byPath)
  if (!checked.success || problems.length > 0) throw new ConfigError(source, problems)
  return freeze(configOf(checked.data, read, ownSink))
}
