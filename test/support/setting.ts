/**
 * The setting that a test runs in: which engine serves, on how many worker threads. Tests that drive a gateway run in each
 * (vitest.config.ts has them, a project each); the others run once, with what is chosen by itself.
 */

import type { EngineName } from '../../src/config/config.js'

const { TEST_SETTING, TEST_ENGINE, TEST_WORKERS } = process.env

const isEngineName = (name: string | undefined): name is EngineName =>
  name === 'auto' || name === 'linux' || name === 'portable'

/** As the config of a gateway has it. */
export const SETTING: { readonly engine: EngineName; readonly workers: number } = {
  engine: isEngineName(TEST_ENGINE) ? TEST_ENGINE : 'auto',
  workers: Number(TEST_WORKERS ?? 0),
}

/** For the command line: as if the user had set it for all gateways. */
export const SETTING_ENVIRONMENT: Readonly<Record<string, string>> = {
  TIDEGATE_ENGINE: SETTING.engine,
  TIDEGATE_WORKERS: String(SETTING.workers),
}

/** Of many rounds that differ only in their figures, those of this setting: together those in `among` play all, any other does alone. */
export const shareOf = <T>(rounds: readonly T[], among: readonly string[]): readonly T[] => {
  const place = among.indexOf(TEST_SETTING ?? '')
  return place === -1 ? rounds : rounds.filter((_, n) => n % among.length === place)
}

/** Whether this setting is the one for what is too long to be done in each. */
export const IS_AT_LENGTH = TEST_SETTING === undefined || !['linux-2', 'portable'].includes(TEST_SETTING)
