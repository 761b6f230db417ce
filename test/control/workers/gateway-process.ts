/** The parent's side of `gateway-process.mjs`. */

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { GatewayConfigInput } from '../../../src/config/config.js'
import type { UpstreamStatus } from '../../../src/control/upstreams/managed-upstream.js'
import type { ConnectionCounters } from '../../../src/core/session/record.js'
import { eventually, type Scope, within } from '../../support/scope.js'

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

interface ClosedTold {
  readonly type: 'closed'
  readonly id: number
  readonly reason: string
  /** The client's. */
  readonly port: number
  readonly error: string | null
}

interface LogTold {
  readonly type: 'log'
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly text: string
}

interface LookTold {
  readonly type: 'look'
  readonly counters: Readonly<Record<string, ConnectionCounters>>
  readonly upstreams: Readonly<Record<string, UpstreamStatus>>
  readonly connections: readonly { readonly id: number; readonly port: number }[]
}

type Told =
  | ClosedTold
  | LogTold
  | LookTold
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }

export interface GatewayProcess {
  readonly child: ChildProcess
  readonly closed: readonly ClosedTold[]
  readonly log: readonly LogTold[]
  /** What it tells first. */
  readonly started: Promise<Extract<Told, { type: 'listening' | 'failed' }>>
  readonly exited: Promise<number | null>
  fail(plane: number, how?: 'throw' | 'exit'): void
  look(): Promise<LookTold>
  close(): void
}

export const startGatewayProcess = (
  scope: Scope,
  config: GatewayConfigInput,
  env: Readonly<Record<string, string>> = {},
): GatewayProcess => {
  const child = fork(at('gateway-process.mjs'), [JSON.stringify(config)], {
    // Threads inherit this, and no arguments.
    env: { ...process.env, ...env, NODE_OPTIONS: `--import=${at('made-to-fail.mjs')}` },
    execArgv: [],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  scope.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  const closed: ClosedTold[] = []
  const log: LogTold[] = []
  const looks: LookTold[] = []
  const started = new Promise<Extract<Told, { type: 'listening' | 'failed' }>>((resolve, reject) => {
    child.on('message', (told: Told) => {
      if (told.type === 'closed') closed.push(told)
      else if (told.type === 'log') log.push(told)
      else if (told.type === 'look') looks.push(told)
      else resolve(told)
    })
    void exited.then((code) => reject(new Error(`the gateway's process ended with ${code}`)))
  })
  return {
    child,
    closed,
    log,
    started: within(20_000, 'the gateway to start', started),
    exited,
    fail: (plane, how = 'throw') => void child.send({ type: 'fail', plane, how }),
    look: async () => {
      const before = looks.length
      child.send({ type: 'look' })
      return eventually('a look', () => looks[before])
    },
    close: () => void child.send({ type: 'close' }),
  }
}
