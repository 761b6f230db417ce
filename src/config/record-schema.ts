/** The part of the schema that describes a recording: what of the traffic is kept, where, and for how long. */

import * as z from 'zod'
import { compileRedaction, type RedactRule } from '../core/redact/redaction.js'
import { TidegateError } from '../errors.js'
import * as defaults from './defaults.js'
import { cidrList, duration, durationLeaf, type Form, flag, section, sizeLeaf, textLeaf } from './leaves.js'
import type { PlacedReaders } from './paths.js'
import { formatSize } from './units.js'

const NO_LIMIT = 'no limit'

const PATTERN = 'expected a pattern'

const redactRule = z.union(
  [
    z.string(),
    section({
      pattern: z.string(PATTERN).meta({ description: 'What is masked: a pattern, see docs/redaction.md.' }),
      after: z.string(PATTERN).optional().meta({
        description: 'A pattern that has to stand right before it, and is not masked.',
        fallback: 'nothing',
      }),
      ignoreCase: flag('Letters match in either case.', false),
    }).meta({ description: 'A pattern alone is a rule with the defaults.' }),
  ],
  'expected a pattern, or { pattern, after, ignoreCase }',
)

type RedactInput = z.output<typeof redactRule>

/** As the engine takes it. */
export const ruleOf = (rule: RedactInput): RedactRule =>
  typeof rule === 'string'
    ? { pattern: rule, after: null, ignoreCase: false }
    : { pattern: rule.pattern, after: rule.after ?? null, ignoreCase: rule.ignoreCase }

/** Where in a rule the engine found a mistake, and what. Null: there is none. */
const mistakeIn = (
  rules: readonly RedactRule[],
): { readonly field: string; readonly message: string } | null => {
  try {
    compileRedaction(rules)
    return null
  } catch (thrown) {
    if (!(thrown instanceof TidegateError)) throw thrown
    const field = thrown.where?.split('.').at(-1) ?? ''
    return { field, message: thrown.message.replace(/^redaction rule \d+, /, '') }
  }
}

/** @throws Error unless `pattern` is one. */
export const checkRedactPattern = (pattern: string): void => {
  const mistake = mistakeIn([ruleOf(pattern)])
  if (mistake !== null) throw new Error(mistake.message)
}

const checkRules = (inputs: readonly RedactInput[], context: z.RefinementCtx): void => {
  const mistakes = inputs.map((input) => mistakeIn([ruleOf(input)]))
  mistakes.forEach((mistake, index) => {
    if (mistake === null) return
    const path = typeof inputs[index] === 'string' ? [index] : [index, mistake.field]
    context.addIssue({ code: 'custom', path, message: mistake.message })
  })
  // Each is right, but all of them may be too much.
  const together = mistakes.some((mistake) => mistake !== null) ? null : mistakeIn(inputs.map(ruleOf))
  if (together !== null) context.addIssue({ code: 'custom', message: together.message })
}

const redactRules = z
  .array(redactRule, 'expected a list of patterns')
  .superRefine((rules, context) => checkRules(rules, context))
  .readonly()

const FRACTION = 'expected a number from 0 to 1'

/** What of a connection is recorded, and of which. A listener's own settings take the place of the general ones, each by itself. */
const capture = (form: Form) => ({
  sample: z
    .number(FRACTION)
    .min(0, FRACTION)
    .max(1, FRACTION)
    .optional()
    .meta({
      description:
        'Which part of the connections is recorded, from 0 to 1; decided once, when its upstream is there.',
      builtIn: String(defaults.DEFAULT_SAMPLE),
    }),
  sampleBy: z.enum(['client', 'random']).optional().meta({
    description:
      '`client`: all connections of a client address or none, the same after a restart. `random`: each by itself.',
    builtIn: 'client',
  }),
  allow: cidrList().optional().meta({
    description: 'If not empty, only connections of these clients are recorded.',
    typeName: 'list of CIDRs',
    fallback: 'everybody',
  }),
  deny: cidrList().optional().meta({
    description: 'Connections of these clients are not recorded, even if `allow` names them.',
    typeName: 'list of CIDRs',
    fallback: 'nobody',
  }),
  maxBytes: sizeLeaf(form, {
    description:
      'How much of each direction of a connection is kept: its first bytes. The rest is cut, and said to be. 0: none, only who spoke with whom, when and how much.',
    min: 0,
    max: defaults.MAX_STORE_BYTES,
  })
    .optional()
    .meta({ fallback: NO_LIMIT }),
  redact: redactRules.optional().meta({
    typeName: 'list of patterns, or { pattern, after, ignoreCase }',
    description:
      'Masks secrets in what is stored, byte for byte; what is forwarded is untouched. See docs/redaction.md.',
    fallback: 'nothing',
  }),
})

/** What a listener may say of its own recording. */
export const listenerRecord = (form: Form) =>
  z.union(
    [
      z.boolean(),
      section({
        enabled: flag('Whether it is recorded from the start; can be switched while it runs.', true),
        ...capture(form),
      }),
    ],
    'expected true, false, or what to record',
  )

export const record = (form: Form, read: PlacedReaders) =>
  section({
    file: textLeaf(read.path, {
      description:
        'The pcapng file to write, readable by its owner only; or a template (`%Y%m%d`, `{listener}`, `{client}`), or a folder that ends in `/`, for many files. A relative path starts in the folder of the config file.',
      expected: 'a path',
      typeName: 'path',
    })
      .optional()
      .meta({ fallback: 'required without `to`' }),
    to: textLeaf((text) => text, {
      description: 'A database instead of a file: `postgres://user@host/database`. See docs/sinks.md.',
      expected: 'postgres://user@host/database',
      typeName: 'URL',
    })
      .optional()
      .meta({ fallback: 'a file' }),
    rotate: section({
      size: sizeLeaf(form, {
        description: 'A new file before one grows beyond this.',
        min: defaults.MIN_ROTATE_BYTES,
        max: defaults.MAX_STORE_BYTES,
      })
        .optional()
        .meta({ fallback: NO_LIMIT }),
      every: durationLeaf(form, {
        description: 'A new file after this time, counted from midnight UTC.',
        min: defaults.MIN_ROTATE_MS,
      })
        .optional()
        .meta({ fallback: NO_LIMIT }),
    })
      .optional()
      .meta({
        description: 'When the next file begins. Each file is complete in itself.',
        fallback: 'never',
      }),
    compress: z.enum(['none', 'gzip', 'zstd']).prefault('none').meta({
      description: 'How files are compressed once the next has begun. `zstd` needs Node 22.15 or newer.',
    }),
    keep: section({
      size: sizeLeaf(form, { description: 'All files together.', min: 1, max: defaults.MAX_STORE_BYTES })
        .optional()
        .meta({ fallback: NO_LIMIT }),
      age: durationLeaf(form, { description: 'Since a file was closed.', min: 1 })
        .optional()
        .meta({ fallback: NO_LIMIT }),
      files: z.int().min(1).optional().meta({ description: 'How many.', fallback: NO_LIMIT }),
    })
      .optional()
      .meta({
        description: 'What is kept of closed files; the oldest beyond it are removed.',
        fallback: 'everything',
      }),
    minFree: sizeLeaf(form, {
      description:
        'Free space that is left on the disk: below it nothing is written, as if the disk were full.',
      min: 0,
      max: defaults.MAX_STORE_BYTES,
    }).prefault('0'),
    sync: z.enum(['never', 'interval', 'always']).prefault('never').meta({
      description:
        'When what is written is forced to the disk (for power failures; a killed process loses nothing of it).',
    }),
    syncInterval: duration(form, defaults.DEFAULT_SYNC_INTERVAL_MS, {
      description: 'How often, with `sync: interval`.',
      min: 1,
    }),
    spool: section({
      dir: textLeaf(read.path, {
        description: 'Folder for what waits for the database.',
        expected: 'a path',
        typeName: 'path',
      })
        .optional()
        .meta({ required: true }),
      size: sizeLeaf(form, {
        description: 'At most; then `overload` counts.',
        min: defaults.MIN_SPOOL_BYTES,
        max: defaults.MAX_STORE_BYTES,
      }).prefault(formatSize(defaults.DEFAULT_SPOOL_BYTES)),
    })
      .optional()
      .meta({
        description: 'With `to`, or a sink of the program: keeps on disk what that has not taken.',
        fallback: 'required with `to`',
      }),
    overload: z.enum(['block', 'drop', 'disconnect']).prefault('block').meta({
      description:
        'When the disk is slower than the traffic: slow the traffic, leave marked gaps, or cut the connection.',
    }),
    onFailure: z.enum(['continue', 'disconnect']).prefault('continue').meta({
      description: 'When a write fails (disk full): go on with the loss marked, or cut the connection.',
    }),
    bufferSize: sizeLeaf(form, {
      description: 'Most memory for what waits to be written.',
      min: defaults.MIN_RECORD_BUFFER_BYTES,
      max: defaults.MAX_RECORD_BUFFER_BYTES,
    }).prefault(formatSize(defaults.DEFAULT_RECORD_BUFFER_BYTES)),
    ...capture(form),
  })
