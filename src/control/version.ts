import { readFileSync } from 'node:fs'

const readVersion = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const manifest: unknown = JSON.parse(text)
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : null
  return typeof version === 'string' ? version : 'unknown'
}

/** The package's version, the same in source and build: both lie two folders below the manifest. */
export const VERSION = readVersion()
