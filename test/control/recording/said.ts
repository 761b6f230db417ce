/** A logger that a test can ask what was said. */

import type { Logger } from '../../../src/ports/logger.js'

export const lines = (): { logger: Logger; said: string[] } => {
  const said: string[] = []
  const say = (level: string) => (_: object, message: string) => {
    said.push(`${level} ${message}`)
  }
  return {
    said,
    logger: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
  }
}
