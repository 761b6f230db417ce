/**
 * What contradicts itself in how an upstream is woken: nothing or two things that start it, endpoints where there can be
 * none, guards that guard nothing. Looks at the input as written, as `references.ts` does.
 */

import { type Fields, fieldsOf, isFields } from './as-written.js'
import { type ConfigProblem, type PathSegment, problemAt } from './problems.js'

type Path = readonly PathSegment[]

/** What `upstream-problems.ts` needs to know of the caller. */
export interface WakeContext {
  /** Upstreams whose service the program starts itself. */
  readonly activators: ReadonlySet<string>
}

const problem = (path: Path, found: string, lead: string, expected: string): ConfigProblem =>
  problemAt(path, { found, lead, expected })

const queueProblems = ({ maxQueue, wake }: Fields, path: Path): readonly ConfigProblem[] =>
  maxQueue === 0 && !isProcessOnly(fieldsOf(wake).mode)
    ? [
        problem(
          [...path, 'maxQueue'],
          '0',
          '0, but clients have to wait while the service starts',
          'at least 1',
        ),
      ]
    : []

const isProcessOnly = (mode: unknown): boolean => mode === 'inetd' || mode === 'listener'

const driverProblems = (wake: Fields, path: Path, isCustom: boolean): readonly ConfigProblem[] => {
  const given = (['exec', 'command'] as const).filter((key) => wake[key] !== undefined)
  const expected = 'exec: [WORDS] for a process, or command: { start, stop, isUp }'
  if (given.length === 2)
    return [
      problem(
        path,
        'exec and command',
        'both exec and command: one thing starts it',
        `one of them: ${expected}`,
      ),
    ]
  if (isCustom && given.length > 0)
    return [
      problem(path, given[0] ?? '', `${given[0]}, but the program's activator starts it`, 'one of them'),
    ]
  if (given.length === 0 && !isCustom)
    return [problem(path, 'neither', 'nothing says what to start', expected)]
  return []
}

const guardProblems = ({ wakeOn, wakeMatch }: Fields, path: Path): readonly ConfigProblem[] =>
  Array.isArray(wakeMatch) && wakeMatch.length > 0 && wakeOn !== 'data'
    ? [
        problem(
          [...path, 'wakeMatch'],
          'wakeMatch',
          'given, but without wakeOn: data no bytes are looked at',
          'wakeOn: data beside it',
        ),
      ]
    : []

const readyProblems = ({ readyWhen, command }: Fields, path: Path): readonly ConfigProblem[] => {
  if (command === undefined || (readyWhen !== 'notify' && fieldsOf(readyWhen).output === undefined)) return []
  const found = readyWhen === 'notify' ? "'notify'" : 'output'
  return [
    problem(
      [...path, 'readyWhen'],
      found,
      `${found}, but what command starts is no process of ours`,
      'connect, or { command: [WORDS] }, or nothing (isUp is asked)',
    ),
  ]
}

/** What needs an address to connect to. */
const ADDRESSED = ['pool', 'check', 'resolveInterval', 'passiveHealth', 'onDown'] as const
const SERVICE_ONLY = ['idle', 'idleBy', 'minUptime', 'start', 'ready', 'readyWhen', 'command'] as const
const LISTENER_UNUSED = [
  ...ADDRESSED,
  'sendProxyProtocol',
  'maxConnections',
  'queueTimeout',
  'maxQueue',
  'balance',
] as const
const LISTENER_WAKE_UNUSED = [
  'idle',
  'idleBy',
  'readyWhen',
  'ready',
  'command',
  'wakeOn',
  'wakeMatch',
  'wakeFrom',
] as const

const unused = (
  fields: Fields,
  keys: readonly string[],
  path: Path,
  mode: string,
  why: string,
): readonly ConfigProblem[] =>
  keys
    .filter((key) => fields[key] !== undefined)
    .map((key) =>
      problem([...path, key], key, `${key}, but with mode: ${mode} ${why}`, `mode: service, or no ${key}`),
    )

const WHY_NO_ENDPOINTS: Readonly<Record<string, string>> = {
  inetd: 'each client has a process of its own, and nobody is connected to',
  listener: 'the process accepts by itself, and nobody is connected to',
}

const modeProblems = (upstream: Fields, wake: Fields, path: Path): readonly ConfigProblem[] => {
  const { mode } = wake
  const why =
    typeof mode === 'string' && Object.hasOwn(WHY_NO_ENDPOINTS, mode) ? WHY_NO_ENDPOINTS[mode] : undefined
  if (typeof mode !== 'string' || why === undefined) return []
  const wakePath = [...path, 'wake']
  return mode === 'inetd'
    ? [
        ...unused(upstream, ['endpoints', 'balance', ...ADDRESSED], path, mode, why),
        ...unused(wake, SERVICE_ONLY, wakePath, mode, why),
      ]
    : [
        ...unused(upstream, ['endpoints', ...LISTENER_UNUSED], path, mode, why),
        ...unused(wake, LISTENER_WAKE_UNUSED, wakePath, mode, why),
      ]
}

/** What a listener does with clients that it accepts. `record: false` is what happens anyway. */
const ACCEPTING = [
  'allow',
  'deny',
  'proxyProtocol',
  'proxyFrom',
  'proxyTimeout',
  'maxConnections',
  'overflow',
  'timeouts',
  'noDelay',
  'keepAlive',
  'bufferSize',
  'record',
] as const

const isAsIs = (key: string, value: unknown): boolean =>
  value === undefined || (key === 'record' && value === false) || (key === 'proxyProtocol' && value === 'off')

const lentProblems = (listener: Fields, path: Path, upstream: string): readonly ConfigProblem[] =>
  ACCEPTING.filter((key) => !isAsIs(key, listener[key])).map((key) =>
    problem(
      [...path, key],
      key,
      `${key}, but '${upstream}' has mode: listener: its process accepts the clients, and nothing of them is seen here`,
      `mode: service or inetd, or no ${key}`,
    ),
  )

/** Settings of listeners whose socket a process accepts from. */
export const lentListenerProblems = (input: unknown): readonly ConfigProblem[] => {
  const { listeners, upstreams } = fieldsOf(input)
  return (Array.isArray(listeners) ? listeners : []).flatMap((listener: unknown, index) => {
    const fields = fieldsOf(listener)
    const { upstream } = fields
    if (typeof upstream !== 'string' || !Object.hasOwn(fieldsOf(upstreams), upstream)) return []
    const { mode } = fieldsOf(fieldsOf(fieldsOf(upstreams)[upstream]).wake)
    return mode === 'listener' ? lentProblems(fields, ['listeners', index], upstream) : []
  })
}

const endpointProblems = ({ endpoints, wake }: Fields, path: Path): readonly ConfigProblem[] =>
  endpoints === undefined && !isProcessOnly(fieldsOf(wake).mode)
    ? [problem([...path, 'endpoints'], 'nothing', 'missing', 'a list of addresses, e.g. [127.0.0.1:6379]')]
    : []

/** Also whether an upstream that is woken, or is not, has the endpoints that it needs. */
export const wakeProblems = (
  name: string,
  upstream: Fields,
  path: Path,
  { activators }: WakeContext,
): readonly ConfigProblem[] => {
  const missing = endpointProblems(upstream, path)
  if (!isFields(upstream.wake)) return missing
  const { wake } = upstream
  const wakePath = [...path, 'wake']
  return [
    ...missing,
    ...driverProblems(wake, wakePath, activators.has(name)),
    ...guardProblems(wake, wakePath),
    ...readyProblems(wake, wakePath),
    ...modeProblems(upstream, wake, path),
    ...queueProblems(upstream, path),
  ]
}
