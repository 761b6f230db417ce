import { Command } from 'commander'
import { formatBytes, formatTemplate } from '../../config/byte-text.js'
import type {
  CaptureConfig,
  EndpointConfig,
  EngineName,
  GatewayConfig,
  ListenerConfig,
  RecordPlace,
  TimeoutsConfig,
  UpstreamConfig,
} from '../../config/config.js'
import { DEFAULT_BALANCE, DEFAULT_WEIGHT } from '../../config/defaults.js'
import { loadConfig } from '../../config/load.js'
import { ConfigError } from '../../config/problems.js'
import { formatDuration, formatSize } from '../../config/units.js'
import { overbooked, planFor, readDescriptors } from '../../control/descriptors.js'
import { formatAddress } from '../../core/address.js'
import { type BudgetPlan, reservedText } from '../../core/budget/plan.js'
import { safeUrl } from '../../core/safe-url.js'
import { messageOf } from '../../errors.js'
import { type CommandIo, type Output, processIo, withStdout } from '../output.js'
import { type Column, coloursFor, createPagedTable } from '../table.js'

const HELP = `
Says what 'tidegate serve CONFIG' would run, or everything that is wrong with CONFIG, and starts nothing. Whether
the addresses can be bound and reached is not tried. Descriptors are planned for the limit of this shell. Exit codes: 0 fine, 2 mistakes in the config, 1 cannot read it.

With --json: { "valid": true, "config": …, "descriptors": … } with every default filled in (times in ms, sizes in bytes), or
{ "valid": false, "problems": [{ path, found, expected, message, suggestion? }] }.

Examples:
  tidegate check tidegate.yaml
  tidegate check tidegate.yaml --json | jq '.problems[]?.path'
`

const upstreamJson = ({ endpoints, check, pool, ...upstream }: UpstreamConfig): object => ({
  ...upstream,
  endpoints: endpoints.map((endpoint) => ({ ...endpoint, address: formatAddress(endpoint.address) })),
  check: check && {
    ...check,
    send: check.send && formatBytes(check.send),
    expect: check.expect && formatBytes(check.expect),
  },
  pool: {
    ...pool,
    reset: pool.reset && {
      ...pool.reset,
      send: formatTemplate(pool.reset.send),
      expect: formatTemplate(pool.reset.expect),
    },
  },
})

/** The config as JSON has it: addresses and bytes as they are written. */
const toJson = (config: GatewayConfig): object => ({
  ...config,
  listeners: config.listeners.map((listener) => ({ ...listener, listen: formatAddress(listener.listen) })),
  upstreams: Object.fromEntries(
    Object.entries(config.upstreams).map(([name, upstream]) => [name, upstreamJson(upstream)]),
  ),
})

const COLUMNS: readonly Column[] = [
  { title: 'LISTENER' },
  { title: 'LISTENS ON' },
  { title: 'UPSTREAM' },
  { title: 'CLIENTS' },
  { title: 'TIMEOUTS' },
  { title: 'RECORDED' },
]

const endpointText = ({ address, weight, backup }: EndpointConfig): string =>
  [formatAddress(address), weight === DEFAULT_WEIGHT ? '' : `weight ${weight}`, backup ? 'backup' : '']
    .filter((part) => part !== '')
    .join(' ')

const upstreamText = ({ upstream: name }: ListenerConfig, { upstreams }: GatewayConfig): string => {
  const upstream = name === null ? undefined : upstreams[name]
  if (name === null || upstream === undefined) return '-'
  const endpoints = upstream.endpoints.map(endpointText).join(', ')
  if (endpoints === name) return name
  const isChosen = upstream.endpoints.length > 1 && upstream.balance !== DEFAULT_BALANCE
  return `${name} (${endpoints}${isChosen ? `; ${upstream.balance}` : ''})`
}

const proxyText = ({ proxyProtocol, proxyFrom }: ListenerConfig): readonly string[] => {
  if (proxyProtocol === 'off') return []
  const proxies = proxyFrom.join(' ')
  return [proxyProtocol === 'require' ? `through proxies ${proxies}` : `also through proxies ${proxies}`]
}

const guardText = (listener: ListenerConfig): string => {
  const { allow, deny, maxConnections, overflow } = listener
  const guards = [
    ...proxyText(listener),
    ...(allow.length === 0 ? [] : [`only ${allow.join(' ')}`]),
    ...(deny.length === 0 ? [] : [`not ${deny.join(' ')}`]),
    ...(maxConnections === 0
      ? []
      : [`at most ${maxConnections}, more ${overflow === 'wait' ? 'wait' : 'refused'}`]),
  ]
  return guards.length === 0 ? 'all' : guards.join('; ')
}

const sampleText = ({ sample, sampleBy }: CaptureConfig): readonly string[] => {
  if (sample === 1) return []
  return [sampleBy === 'random' ? `${sample} of them, at random` : `${sample} of the clients`]
}

const keptText = ({ maxBytes, redact }: CaptureConfig): readonly string[] => [
  ...(maxBytes === null ? [] : [maxBytes === 0 ? 'metadata only' : `first ${formatSize(maxBytes)} each way`]),
  ...(redact.length === 0 || maxBytes === 0
    ? []
    : [`masked: ${redact.length === 1 ? 'a pattern' : `${redact.length} patterns`}`]),
]

const captureText = (capture: CaptureConfig | null): string => {
  if (capture === null) return 'no'
  const { enabled, allow, deny } = capture
  return [
    enabled ? 'yes' : 'switched off',
    ...(allow.length === 0 ? [] : [`only ${allow.join(' ')}`]),
    ...(deny.length === 0 ? [] : [`not ${deny.join(' ')}`]),
    ...sampleText(capture),
    ...keptText(capture),
  ].join('; ')
}

const limitText = (ms: number): string => (ms === 0 ? 'none' : formatDuration(ms))

const timeoutText = ({ connectMs, idleMs, halfCloseMs }: TimeoutsConfig): string =>
  `connect ${limitText(connectMs)}, idle ${limitText(idleMs)}, half-close ${limitText(halfCloseMs)}`

const placeText = (place: RecordPlace): string => {
  if (place.kind === 'file') return place.path
  if (place.kind === 'files') return place.template
  // Only a program has one of its own, and it reads no config with this.
  return place.url === null ? 'a sink of its own' : safeUrl(place.url)
}

const recordText = ({ record }: GatewayConfig): string =>
  record === null
    ? 'Nothing is recorded.'
    : `Records to ${placeText(record.place)} (buffer ${formatSize(record.bufferBytes)}; too slow: ${record.overload}; failed: ${record.onFailure}).`

const drainText = ({ drainTimeoutMs }: GatewayConfig): string =>
  drainTimeoutMs === 0
    ? 'When it closes, open connections are cut.'
    : `When it closes, open connections have ${formatDuration(drainTimeoutMs)} to end.`

const engineText = ({ engine, workers }: GatewayConfig): string =>
  workers === 0 ? `Engine: ${engine}.` : `Engine: ${engine}, ${workers} workers.`

const budgetText = (config: GatewayConfig, plan: BudgetPlan | null): string => {
  if (plan === null) return ''
  const { limit, reserved, totalReserved, pools, clients } = plan
  const forPools = pools === 0 ? '' : `, ${pools} for pools`
  const tooMany = overbooked(config, plan)
  return (
    `\nOf ${limit} descriptors ${totalReserved} are reserved (${reservedText(reserved)})${forPools}; ` +
    `the rest is enough for ${clients} clients.\n${tooMany === null ? '' : `Note: ${tooMany}.\n`}`
  )
}

/** As far as can be told without trying. */
const isPortable = (engine: EngineName): boolean => engine === 'portable' || process.platform !== 'linux'

const planHere = (config: GatewayConfig, source: string): BudgetPlan | null => {
  const figures = readDescriptors()
  const acceptsAll = isPortable(config.engine)
  const engine = { acceptsAll, workers: acceptsAll ? 0 : config.workers }
  // What this command has open says nothing of the gateway.
  return figures === null ? null : planFor(config, { ...figures, open: null }, engine, source)
}

const summarise = async (
  config: GatewayConfig,
  plan: BudgetPlan | null,
  { stdout }: CommandIo,
  output: Output,
): Promise<void> => {
  const table = createPagedTable(COLUMNS, coloursFor(stdout))
  for (const listener of config.listeners) {
    const page = table.add([
      listener.name,
      formatAddress(listener.listen),
      upstreamText(listener, config),
      guardText(listener),
      timeoutText(listener.timeouts),
      captureText(listener.record),
    ])
    if (page !== null) await output.write(page)
  }
  await output.write(table.end() ?? '')
  await output.write(`\n${recordText(config)} ${drainText(config)} ${engineText(config)}\n`)
  await output.write(budgetText(config, plan))
}

const printJson = (value: object, output: Output): Promise<void> | undefined =>
  output.write(`${JSON.stringify(value, null, 2)}\n`)

/** What its sink would say of the URL at the start. @throws ConfigError (rejects) */
const checkSink = async ({ record }: GatewayConfig, source: string): Promise<void> => {
  if (record?.place.kind !== 'sink' || record.place.url === null) return
  const { checkSinkUrl } = await import('../../control/recording/open-sink.js')
  await checkSinkUrl(record.place.url).catch((thrown: unknown) => {
    const [found, expected = ''] = messageOf(thrown).split(': expected ')
    throw new ConfigError(source, [
      { path: 'record.to', found: found ?? '', expected, message: messageOf(thrown) },
    ])
  })
}

const check = async (path: string, json: boolean, io: CommandIo, output: Output): Promise<void> => {
  try {
    const config = await loadConfig(path)
    await checkSink(config, path)
    const plan = planHere(config, path)
    await (json
      ? printJson({ valid: true, config: toJson(config), descriptors: plan }, output)
      : summarise(config, plan, io, output))
  } catch (thrown) {
    if (json && thrown instanceof ConfigError) {
      await printJson({ valid: false, problems: thrown.problems }, output)
      await output.flush()
    }
    throw thrown
  }
}

export const checkCommand = (io: CommandIo = processIo()): Command =>
  new Command('check')
    .description('say what a config would run, or all that is wrong with it')
    .argument('<CONFIG>', 'the config file, YAML or JSON')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action((path: string, { json = false }: { readonly json?: boolean }) =>
      withStdout(io, (output) => check(path, json, io, output)),
    )
