/** The composition root of the library: reads the config, opens the recording, and starts a gateway that has both. */

import { rm } from 'node:fs/promises'
import type { GatewayConfig, GatewayConfigInput } from '../config/config.js'
import { parseConfig } from '../config/parse.js'
import { type Logger, SILENT } from '../ports/logger.js'
import { BudgetKeeper } from './budget-keeper.js'
import { readDescriptors } from './descriptors.js'
import { chooseEngine, type EngineChoice, workersOf } from './engine-choice.js'
import type { Gateway, ManagedGateway } from './gateway-interface.js'
import { checkOptions, type GatewayOptions } from './hooks.js'
import { openGroups } from './open-groups.js'
import type { OpenedRecording } from './open-recording.js'
import type { GroupRecording } from './recording/groups/group-recording.js'
import { parsingOf, RunningGateway } from './running-gateway.js'

export type { Gateway, GatewayCounters, GatewayService, ManagedGateway } from './gateway-interface.js'

const logChoice = (logger: Logger, choice: EngineChoice, wanted: number): void => {
  const { engine, reason } = choice
  const workers = workersOf(choice)
  if (workers < wanted)
    logger.warn({ workers: wanted }, 'no workers: this engine serves on the main thread only')
  logger.info({ engine: engine.name, reason, workers }, 'engine chosen')
}

/**
 * Starts a gateway: resolves once every listener accepts.
 *
 * @throws TidegateError (rejects) `config_invalid` with all that is wrong; `value_invalid` for a hook that is none; `file_unwritable` and the like for the
 * recording; the errors of `listen` (`address_in_use`, `permission_denied`, `name_not_found`, `listen_failed`). Nothing is left
 * open then.
 */
export const createGateway = async (
  config: GatewayConfigInput,
  options: GatewayOptions = {},
): Promise<Gateway> => {
  checkOptions(options)
  return startGateway(parseConfig(config, 'config', parsingOf(options)), options)
}

/** As {@link createGateway}, for a config that is parsed already. */
export const startGateway = async (
  config: GatewayConfig,
  options: GatewayOptions = {},
): Promise<ManagedGateway> => {
  checkOptions(options)
  const { logger = SILENT } = options
  const figures = readDescriptors()
  const choice = chooseEngine(config.engine, config.workers)
  const workers = workersOf(choice)
  const budget = new BudgetKeeper(figures, { workers, acceptsAll: choice.engine.acceptsAll }, logger)
  const planes = 1 + workers
  let groups: GroupRecording | null = null
  const opening = async (): Promise<OpenedRecording | null> => {
    // Before a file is touched.
    budget.check(config)
    groups = await openGroups(config, options, planes, logger)
    if (config.record === null && options.sink === undefined) return null
    // Only now: a gateway that records nothing starts in two thirds of the time.
    const { openRecording } = await import('./open-recording.js')
    return openRecording(config, planes, logger, options.sink)
  }
  const opened = await opening().catch(async (thrown: unknown) => {
    await groups?.abandon()
    await choice.engine.close()
    throw thrown
  })
  const gateway = new RunningGateway(config, options, choice, opened, groups, budget)
  try {
    await gateway.open()
  } catch (thrown) {
    await gateway.destroy()
    if (opened?.createdFile) await rm(opened.createdFile, { force: true })
    throw thrown
  }
  // Not before: what cannot start says just why.
  logChoice(logger, choice, config.workers)
  return gateway
}
