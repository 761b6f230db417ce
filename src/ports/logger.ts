/** The logger port: pino's call shape, so that pino, or anything like it, fits as it is. */

export type LogLevelName = 'debug' | 'info' | 'warn' | 'error'

export interface Logger {
  /** Whether lines of this level are printed: what nobody would read is not put together. Default: all are. */
  isLevelEnabled?(level: LogLevelName): boolean

  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const ignore = (): void => {}

/** The library's default: a guest in somebody's process prints nothing. */
export const SILENT: Logger = {
  isLevelEnabled: () => false,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
}
