/** Tidegate as users run it, one thread, from a build; logs as little as the peers do. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOOPBACK } from '../machine/ports.js'
import type { Contender, Launch, Place } from './contender.js'

/** Settings in the environment are for somebody's own gateways. */
const withoutOwnSettings = (): Record<string, undefined> =>
  Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('TIDEGATE_'))
      .map((name) => [name, undefined]),
  )

const versionBeside = (dist: string): string => {
  try {
    const { version } = JSON.parse(readFileSync(join(dist, '../package.json'), 'utf8')) as { version: string }
    return version
  } catch {
    return 'unknown'
  }
}

export interface Build {
  readonly id: string
  readonly title: string
  readonly engine: 'linux' | 'portable'
  /** The `dist` directory. */
  readonly dist: string
}

export const tidegate = ({ id, title, engine, dist }: Build): Contender => {
  const cli = join(dist, 'cli/main.js')
  const launch = ({ port, upstreamPort, recordTo }: Place): Launch => ({
    command: [
      process.execPath,
      cli,
      ...(recordTo === null ? ['relay'] : ['record', '--out', recordTo]),
      `${LOOPBACK}:${port}`,
      `${LOOPBACK}:${upstreamPort}`,
      `--engine=${engine}`,
      '--workers=0',
      '--log-level=warn',
    ],
    env: withoutOwnSettings(),
  })
  return {
    id,
    title,
    setUp: `\`tidegate relay --engine ${engine} --workers 0 --log-level warn\``,
    canRecord: true,
    bulkOnly: false,
    descriptorsEach: 2,
    find: async () =>
      existsSync(cli)
        ? { ready: { version: versionBeside(dist), launch } }
        : { missing: `${cli} is not there: run 'npm run build'` },
  }
}
