/** Tidegate as users run it, one thread, from a build; logs as little as the peers do. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOOPBACK } from '../machine/ports.js'
import type { Contender, Launch, Place, PoolMode } from './contender.js'

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

/** Enough spare connections for clients that come faster than one is dialled; those that come back need no others. */
const POOLS: Readonly<Record<PoolMode, object>> = {
  prewarm: { mode: 'prewarm', min: 4 },
  reuse: { mode: 'reuse', stateless: true },
}

/** The same as `relay` has on its command line, which knows no pools. @returns its path */
const writeConfig = ({ port, upstream, directory }: Place, engine: Build['engine'], pool: object): string => {
  const file = join(directory, 'gateway.json')
  const config = {
    listeners: [{ listen: `${LOOPBACK}:${port}`, upstream: 'service' }],
    upstreams: { service: { endpoints: [upstream], pool } },
    engine,
    workers: 0,
    log: { level: 'warn' },
  }
  writeFileSync(file, JSON.stringify(config))
  return file
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
  const relay = ({ port, upstream, recordTo }: Place): readonly string[] => [
    ...(recordTo === null ? ['relay'] : ['record', '--out', recordTo]),
    `${LOOPBACK}:${port}`,
    upstream,
    `--engine=${engine}`,
    '--workers=0',
    '--log-level=warn',
  ]
  /** Stopped soon, so that it can be woken often. */
  const wake = (place: Place, command: readonly string[]): readonly string[] => [
    'wake',
    ...relay({ ...place, recordTo: null }).slice(1),
    '--idle=100ms',
    '--',
    ...command,
  ]
  const withoutWake = (place: Place): readonly string[] =>
    place.pool === null ? relay(place) : ['serve', writeConfig(place, engine, POOLS[place.pool])]
  const launch = (place: Place): Launch => ({
    command: [process.execPath, cli, ...(place.wake === null ? withoutWake(place) : wake(place, place.wake))],
    env: withoutOwnSettings(),
  })
  return {
    id,
    title,
    setUp: `\`tidegate relay --engine ${engine} --workers 0 --log-level warn\``,
    recordsAs: 'pcapng',
    canPool: true,
    canWake: true,
    only: null,
    descriptorsEach: 2,
    find: async () =>
      existsSync(cli)
        ? { ready: { version: versionBeside(dist), launch } }
        : { missing: `${cli} is not there: run 'npm run build'` },
  }
}
