/** Looks ahead of the first client whether what starts the services is there. */

import { findProgram } from '../../activate/command.js'
import type { GatewayConfig, WakeConfig } from '../../config/config.js'
import { messageOf } from '../../errors.js'

export interface MissingProgram {
  readonly upstream: string
  /** Which program, or which working directory, in words. */
  readonly message: string
}

const programsOf = ({ driver }: WakeConfig): readonly string[] => {
  switch (driver.kind) {
    case 'exec':
      return driver.argv.slice(0, 1)
    case 'command':
      return [driver.start, driver.stop, driver.isUp].flatMap((argv) => argv.slice(0, 1))
    case 'custom':
      return []
  }
}

/** One line each; of an upstream the first thing that is missing. */
export const missingPrograms = ({ upstreams }: GatewayConfig): readonly MissingProgram[] =>
  Object.values(upstreams).flatMap(({ name: upstream, wake }) => {
    if (wake === null) return []
    const { PATH = '' } = { ...process.env, ...wake.env }
    try {
      for (const program of programsOf(wake)) findProgram(program, wake.workdir ?? process.cwd(), PATH)
      return []
    } catch (thrown) {
      return [{ upstream, message: messageOf(thrown) }]
    }
  })
