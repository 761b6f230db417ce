/** What starts the service of an upstream: a driver of ours, or the program's own. */

import { type Account, accountOf } from '../../activate/account.js'
import type { Words } from '../../activate/command.js'
import { createCommandActivator } from '../../activate/commands.js'
import { createExecActivator, type ExecOptions } from '../../activate/exec.js'
import type { ReadyRule } from '../../activate/readiness.js'
import type { UpstreamConfig, WakeConfig } from '../../config/config.js'
import { openNotifications } from '../../engine/linux/notifications.js'
import type { Activator } from '../../ports/activator.js'
import type { InetdSettings, WokenUpstream } from './settings.js'

/** A config's commands have at least one word. */
const wordsOf = ([command = '', ...args]: readonly string[]): Words => [command, ...args]

/** Undefined: as the driver has it by default. */
const readyRuleOf = ({ ready }: WakeConfig): ReadyRule | undefined => {
  switch (ready.by) {
    case 'driver':
      return undefined
    case 'connect':
      return { by: 'connect' }
    case 'output':
      return { by: 'output', pattern: new RegExp(ready.pattern) }
    case 'command':
      return { by: 'command', argv: wordsOf(ready.argv) }
    case 'notify':
      return { by: 'notify', open: openNotifications }
  }
}

type Placed = Pick<WokenUpstream, 'wake' | 'endpoints'>

const commonOptions = ({ wake, endpoints }: Placed) => {
  const { workdir, env, user, group, readyMs } = wake
  const ready = readyRuleOf(wake)
  return {
    workdir,
    env,
    user,
    group,
    readyMs,
    endpoints: endpoints.map(({ address }) => address),
    ...(ready === undefined ? {} : { ready }),
  }
}

/** What a child process needs to know. */
export const execOptions = (upstream: Placed): ExecOptions => {
  const { driver, stopSignal } = upstream.wake
  if (driver.kind !== 'exec') throw new Error('it is no child process')
  return { ...commonOptions(upstream), argv: wordsOf(driver.argv), stopSignal }
}

/** `own`: the program's, by the upstream's name. */
export const activatorOf = (
  { name, wake, endpoints }: WokenUpstream,
  own: Readonly<Record<string, Activator>>,
): Activator => {
  const { driver } = wake
  switch (driver.kind) {
    case 'exec':
      return createExecActivator(execOptions({ wake, endpoints }))
    case 'command': {
      const { start, stop, isUp, intervalMs } = driver
      const commands = { start: wordsOf(start), stop: wordsOf(stop), isUp: wordsOf(isUp) }
      return createCommandActivator({ ...commonOptions({ wake, endpoints }), ...commands, intervalMs })
    }
    case 'custom': {
      const custom = own[name]
      if (custom === undefined) throw new Error(`nothing starts '${name}'`)
      return custom
    }
  }
}

/** Whom the processes of clients run as. @throws TidegateError (rejects): there is no such user or group, or it may not be taken. */
export const inetdAccount = ({ wake }: UpstreamConfig): Promise<Account> =>
  wake?.mode === 'inetd' ? accountOf(wake.user, wake.group) : Promise.resolve({})

export const inetdSettings = ({ wake }: WokenUpstream, { uid, gid }: Account): InetdSettings => {
  const { driver, workdir, env, stopTimeoutMs, on, match, from, startMs } = wake
  if (driver.kind !== 'exec') throw new Error('a process per client has a command')
  return {
    argv: wordsOf(driver.argv),
    workdir,
    env,
    uid: uid ?? null,
    gid: gid ?? null,
    stopTimeoutMs,
    on,
    match,
    from,
    dataTimeoutMs: startMs,
  }
}
