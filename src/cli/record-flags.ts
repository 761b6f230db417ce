/** What the flags of a recording have to do with one another, said in their words. The config has the same rules in its own. */

import { usageError } from './failure.js'
import type { RecordFlags } from './record-options.js'

type FlagName = keyof RecordFlags

const spelled = (name: FlagName): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

const OF_FILES = [
  'rotateSize',
  'rotateEvery',
  'compress',
  'keepSize',
  'keepAge',
  'keepFiles',
] as const satisfies readonly FlagName[]
const OF_ROTATED = ['keepSize', 'keepAge', 'keepFiles'] as const satisfies readonly FlagName[]
const OF_DATABASES = ['spool', 'spoolSize'] as const satisfies readonly FlagName[]
const OF_ALL = [
  ...OF_DATABASES,
  ...OF_FILES,
  'minFree',
  'sync',
  'overload',
  'onFailure',
  'buffer',
  'sample',
  'sampleBy',
  'recordAllow',
  'recordDeny',
  'maxBytes',
  'metadataOnly',
  'redact',
] as const satisfies readonly FlagName[]

/** Where nothing is recorded, what the environment says of recordings is for other gateways. */
export const withoutOthers = <T extends RecordFlags>(
  flags: T,
  isFromEnvironment: (name: string) => boolean,
): T => {
  if (flags.out !== undefined || flags.to !== undefined) return flags
  const others = new Set<string>(OF_ALL.filter(isFromEnvironment))
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !others.has(name))) as T
}

/** @throws TidegateError `usage`, for the first of the flags that contradict one another. */
export const refuseRecordFlags = (flags: RecordFlags): void => {
  const { out, to, spool, rotateSize, rotateEvery } = flags
  const refuse = (names: readonly FlagName[], why: string): void => {
    const found = names.find((name) => flags[name] !== undefined)
    if (found !== undefined) throw usageError(`${spelled(found)}: ${why}`)
  }
  if (out === undefined && to === undefined)
    refuse(OF_ALL, 'nothing is recorded; expected --out PATH beside it, or --to for a database')
  if (out !== undefined && to !== undefined)
    throw usageError('--out and --to: a recording goes to one place; expected one of the two')
  if (to !== undefined) {
    refuse(OF_FILES, 'it has no meaning with --to: there are no files; expected --out PATH, or --to alone')
    if (spool === undefined)
      throw usageError('--spool is missing; expected with --to: a folder for what waits for the database')
  }
  if (out !== undefined) {
    refuse(
      OF_DATABASES,
      'it has no meaning with --out: files need none; expected --to URL, or --out without it',
    )
    if (rotateSize === undefined && rotateEvery === undefined)
      refuse(
        OF_ROTATED,
        'without rotation the file that is written is never complete, and never removed; expected --rotate-size or --rotate-every beside it',
      )
  }
}
