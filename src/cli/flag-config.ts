/** The config that a command line stands for, and what is wrong with it in the words of that command line. */

import type { GatewayConfig, GatewayConfigInput } from '../config/config.js'
import { parseConfig } from '../config/parse.js'
import { ConfigError, type ConfigProblem } from '../config/problems.js'
import { usageError } from './failure.js'

/** Where in the config each option ends up; the index of a list has no option of its own. */
const NAME_OF: Readonly<Record<string, string>> = {
  'listeners[0].listen': 'LISTEN',
  'listeners[0].name': '--name',
  'listeners[0].allow': '--allow',
  'listeners[0].deny': '--deny',
  'listeners[0].proxyProtocol': '--proxy-protocol',
  'listeners[0].proxyFrom': '--proxy-from',
  'listeners[0].overflow': '--overflow',
  'listeners[0].maxConnections': '--max-connections',
  'upstreams.target.endpoints': 'TARGET',
  'upstreams.target.balance': '--balance',
  'upstreams.target.sendProxyProtocol': '--send-proxy',
  'upstreams.target.maxConnections': '--max-connections',
  'upstreams.target.wake.exec': 'COMMAND',
  'upstreams.target.wake.workdir': '--workdir',
  'upstreams.target.wake.env': '--env',
  'upstreams.target.wake.user': '--user',
  'upstreams.target.wake.group': '--group',
  'upstreams.target.wake.idle': '--idle',
  'upstreams.target.wake.idleBy': '--idle-by',
  'upstreams.target.wake.minUptime': '--min-uptime',
  'upstreams.target.wake.start': '--start',
  'upstreams.target.wake.ready': '--ready',
  'upstreams.target.wake.readyWhen': '--ready-when',
  'upstreams.target.wake.readyWhen.output': '--ready-output',
  'upstreams.target.wake.stopTimeout': '--stop-timeout',
  'upstreams.target.wake.stopSignal': '--stop-signal',
  'upstreams.target.wake.wakeOn': '--wake-on',
  'upstreams.target.wake.wakeMatch': '--wake-match',
  'upstreams.target.wake.wakeFrom': '--wake-from',
  'timeouts.connect': '--connect-timeout',
  'timeouts.idle': '--idle-timeout',
  'timeouts.halfClose': '--half-close-timeout',
  'log.level': '--log-level',
  'log.format': '--log-format',
  drainTimeout: '--drain-timeout',
  engine: '--engine',
  workers: '--workers',
  'record.file': '--out',
  'record.to': '--to',
  'record.spool': '--spool',
  'record.spool.dir': '--spool',
  'record.spool.size': '--spool-size',
  'record.rotate.size': '--rotate-size',
  'record.rotate.every': '--rotate-every',
  'record.compress': '--compress',
  'record.keep.size': '--keep-size',
  'record.keep.age': '--keep-age',
  'record.keep.files': '--keep-files',
  'record.minFree': '--min-free',
  'record.sync': '--sync',
  'record.overload': '--overload',
  'record.onFailure': '--on-failure',
  'record.bufferSize': '--buffer',
  'record.sample': '--sample',
  'record.sampleBy': '--sample-by',
  'record.allow': '--record-allow',
  'record.deny': '--record-deny',
  'record.maxBytes': '--max-bytes',
  'record.redact': '--redact',
}

const nameOf = (path: string): string => {
  const place = Object.hasOwn(NAME_OF, path) ? path : path.replace(/\[\d+\]$/, '')
  return NAME_OF[place] ?? path
}

/** The first that is wrong with each option: what else is said of it mostly follows from that. */
const linesOf = (problems: readonly ConfigProblem[]): readonly string[] => {
  const lines = new Map<string, string>()
  for (const { path, message } of problems) {
    const name = nameOf(path)
    if (!lines.has(name)) lines.set(name, name === '' ? message : `${name}: ${message}`)
  }
  return [...lines.values()]
}

/**
 * `parseConfig`, of a config that stands for flags.
 * @throws TidegateError `usage`, with one line for each option that is wrong.
 */
export const parseFlags = (input: GatewayConfigInput): GatewayConfig => {
  try {
    return parseConfig(input)
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown
    throw usageError(linesOf(thrown.problems).join('\n'))
  }
}
