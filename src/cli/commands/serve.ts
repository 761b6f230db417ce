import { Command } from 'commander'
import type { GatewayConfig } from '../../config/config.js'
import { loadConfig } from '../../config/load.js'
import { parseDuration } from '../../config/units.js'
import {
  addEngineOptions,
  addLogOptions,
  drainTimeoutOption,
  type RelayFlags,
  refusePortableWorkers,
  workersOf,
} from '../options.js'
import { runGateway } from '../run.js'

const HELP = `
CONFIG is YAML or JSON; 'tidegate check CONFIG' tells what is wrong with it without starting anything, and
docs/config.md describes every key. SIGHUP reads it again: open connections stay, and if it has a mistake
everything stays as it was. What is given on the command line or in the environment wins over CONFIG.

SIGUSR2 prints listeners, upstreams and connections by state on stderr (not on Windows).

Examples:
  tidegate serve tidegate.yaml
  TIDEGATE_LOG_FORMAT=json tidegate serve tidegate.yaml
`

type ServeFlags = Pick<RelayFlags, 'logLevel' | 'logFormat' | 'drainTimeout' | 'engine' | 'workers'>

const withFlags = (config: GatewayConfig, flags: ServeFlags): GatewayConfig => {
  const { logLevel, logFormat, drainTimeout } = flags
  const engine = flags.engine ?? config.engine
  const workers = workersOf(flags) ?? config.workers
  refusePortableWorkers(engine, workers)
  return {
    ...config,
    engine,
    workers,
    drainTimeoutMs: drainTimeout === undefined ? config.drainTimeoutMs : parseDuration(drainTimeout),
    log: { level: logLevel ?? config.log.level, format: logFormat ?? config.log.format },
  }
}

export const serveCommand = (): Command =>
  addLogOptions(
    addEngineOptions(
      new Command('serve')
        .description('run the gateway that a config file describes')
        .argument('<CONFIG>', 'the config file')
        .addOption(drainTimeoutOption('config')),
      'config',
    ),
    'config',
  )
    .addHelpText('after', HELP)
    .action(async (path: string, flags: ServeFlags) => {
      const config = withFlags(await loadConfig(path), flags)
      await runGateway(config, {
        reload: async (gateway) => gateway.apply(withFlags(await loadConfig(path), flags)),
      })
    })
