/** What starts the service of an upstream: a driver of ours, or the program's own. */

import { createCommandActivator } from '../../activate/commands.js'
import { createExecActivator } from '../../activate/exec.js'
import type { ReadyRule } from '../../activate/readiness.js'
import type { WakeConfig } from '../../config/config.js'
import { openNotifications } from '../../engine/linux/notifications.js'
import type { Activator } from '../../ports/activator.js'
import type { WokenUpstream } from './settings.js'

type Words = readonly [string, ...string[]]

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

/** `own`: the program's, by the upstream's name. */
export const activatorOf = (
  { name, wake, endpoints }: WokenUpstream,
  own: Readonly<Record<string, Activator>>,
): Activator => {
  const { workdir, env, user, group, readyMs, stopSignal, driver } = wake
  const ready = readyRuleOf(wake)
  const common = {
    workdir,
    env,
    user,
    group,
    readyMs,
    endpoints: endpoints.map(({ address }) => address),
    ...(ready === undefined ? {} : { ready }),
  }
  switch (driver.kind) {
    case 'exec':
      return createExecActivator({ ...common, argv: wordsOf(driver.argv), stopSignal })
    case 'command': {
      const { start, stop, isUp, intervalMs } = driver
      const commands = { start: wordsOf(start), stop: wordsOf(stop), isUp: wordsOf(isUp) }
      return createCommandActivator({ ...common, ...commands, intervalMs })
    }
    case 'custom': {
      const custom = own[name]
      if (custom === undefined) throw new Error(`nothing starts '${name}'`)
      return custom
    }
  }
}
