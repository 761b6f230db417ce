/**
 * The setting that a test runs in: which engine serves, on how many worker threads. Tests that drive a gateway run in each
 * (vitest.config.ts has them, a project each); the others run once, with what is chosen by itself.
 */

import type { EngineName } from '../../src/config/config.js'

const { TEST_ENGINE, TEST_WORKERS, TEST_SHARE } = process.env

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

/** `1/3`: this is the first of three settings that share the work of one test; `0/3`: one that has no part in that. */
const [place = 1, settings = 1] = (TEST_SHARE ?? '1/1').split('/').map(Number)

/** Of many rounds that differ only in their figures, those of this setting: together the settings play all. */
export const shareOf = <T>(rounds: readonly T[]): readonly T[] =>
  rounds.filter((_, n) => n % settings === place - 1)

/** Whether this setting is the one for what is too long to be done in each. */
export const IS_FIRST_SETTING = place === 1
