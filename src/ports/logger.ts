/** The logger port: pino's call shape, so that pino, or anything like it, fits as it is. */

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const ignore = (): void => {}

/** The library's default: a guest in somebody's process prints nothing. */
export const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
