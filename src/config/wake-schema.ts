/** The part of the schema that describes how an upstream is started on demand: by what, when it is ready, when it is stopped. */

import * as z from 'zod'
import { BYTES_EXAMPLES, parseBytes } from './byte-text.js'
import * as defaults from './defaults.js'
import { check, cidrs, duration, type Form, section, textLeaf } from './leaves.js'
import type { PlacedReaders } from './paths.js'

const WORDS = 'the words of a command, e.g. [redis-server, --port, "6390"]'

/** Without a shell: each word is one argument. */
export const words = (description: string) =>
  z
    .array(z.string(`expected ${WORDS}`), `expected ${WORDS}`)
    .min(1, `expected ${WORDS}`)
    .refine(([command]) => command !== '', `expected ${WORDS}`)
    .refine((all) => all.every((word) => !word.includes('\0')), 'expected words without NUL')
    .readonly()
    .meta({ description, typeName: 'list of words' })

const regular = (text: string): string => {
  try {
    new RegExp(text)
    return text
  } catch {
    throw new SyntaxError(
      `'${text}' is not a regular expression; expected e.g. "ready to accept connections"`,
    )
  }
}

const account = (description: string, fallback: string) =>
  z
    .union([z.int().min(0), z.string().regex(/^[\w.-]{1,64}\$?$/)], 'expected a name or a number')
    .optional()
    .meta({ description, fallback, typeName: 'name or number' })

const readyWhen = () =>
  z
    .union(
      [
        z.enum(['connect', 'notify']),
        section({
          output: textLeaf(check(regular), {
            description: 'A regular expression (JavaScript) that a line of its output matches.',
            expected: 'a regular expression',
            typeName: 'regular expression',
          }),
        }),
        section({ command: words('A command that ends with 0 once it is ready.') }),
      ],
      'expected connect, notify, { output: REGULAR EXPRESSION } or { command: [WORDS] }',
    )
    .optional()
    .meta({
      description:
        "`connect`: one of the endpoints accepts a connection. `notify`: systemd's `READY=1` arrives (Linux). `{ output }`: a line of output matches. `{ command }`: a command ends with 0.",
      fallback: '`connect`; with `command`: its `isUp`',
      typeName: '`connect`, `notify`, or a mapping with one key',
    })

const command = (form: Form) =>
  section({
    start: words('Starts it and ends, e.g. [docker, start, db].'),
    stop: words('Stops it, and ends.'),
    isUp: words('Ends with 0 while it is up.'),
    interval: duration(form, defaults.DEFAULT_WAKE_INTERVAL_MS, {
      description: 'How often it is asked whether it is up still.',
      min: defaults.MIN_WAKE_INTERVAL_MS,
    }),
  })

export const wake = (form: Form, read: PlacedReaders) =>
  section({
    mode: z.enum(['service', 'inetd', 'listener']).prefault('service').meta({
      description:
        '`service`: one process serves all clients at the endpoints. `inetd`: one process per client, which is its stdin and stdout; no endpoints. `listener`: the process gets the listening socket (`LISTEN_FDS`) and accepts itself until it exits; no endpoints.',
    }),
    exec: words('The process to start, in the foreground: the words of its command, without a shell.')
      .optional()
      .meta({ fallback: 'none: `command`, or an activator of the program' }),
    command: command(form).optional().meta({
      description:
        'Three commands instead of a process of our own: for docker, systemctl, kubectl and the like.',
      fallback: 'none',
    }),
    workdir: textLeaf(read.path, {
      description: 'Working directory of what is started.',
      expected: 'a path',
      typeName: 'path',
    })
      .optional()
      .meta({ fallback: 'where Tidegate was started' }),
    env: z
      .record(z.string().regex(/^[^=\0]+$/, 'expected a name without ='), z.string('expected text'))
      .readonly()
      .prefault({})
      .meta({ description: "Environment variables, beside Tidegate's own.", fallback: 'none' }),
    user: account('The user to run it as; needs root.', 'as Tidegate'),
    group: account('The group to run it as; needs root.', "the user's, or as Tidegate"),
    idle: duration(form, defaults.DEFAULT_WAKE_IDLE_MS, {
      description: 'Stops it after so long without connections. 0: it is never stopped for that.',
    }),
    idleBy: z.enum(['connections', 'bytes']).prefault('connections').meta({
      description:
        '`connections`: it is idle while nobody is connected. `bytes`: also while nothing moves on any connection; they are closed first then.',
    }),
    minUptime: duration(form, 0, { description: 'It runs at least so long before it is stopped as idle.' }),
    start: duration(form, defaults.DEFAULT_WAKE_START_MS, {
      description: 'It has to be ready within this time, or the start has failed.',
      min: 1,
    }),
    ready: duration(form, defaults.DEFAULT_WAKE_READY_MS, {
      description:
        'Longest pause between two looks whether it is ready; shorter at first, from 1 ms on: an eighth of the time that has passed.',
      min: 1,
    }),
    readyWhen: readyWhen(),
    stopTimeout: duration(form, defaults.DEFAULT_WAKE_STOP_MS, {
      description: 'What is still there so long after it was asked to end is killed.',
      min: 1,
    }),
    stopSignal: z
      .enum(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'])
      .prefault('SIGTERM')
      .meta({ description: 'How it is asked to end.' }),
    wakeOn: z.enum(['connect', 'data']).prefault('connect').meta({
      description: '`connect`: a client that connects wakes it. `data`: only one that has sent something.',
    }),
    wakeMatch: z
      .array(
        textLeaf(parseBytes, {
          description: 'Bytes',
          expected: BYTES_EXAMPLES,
          typeName: 'bytes',
        }),
      )
      .readonly()
      .prefault([])
      .meta({
        description: 'With `wakeOn: data`: only a client whose first bytes begin with one of these wakes it.',
        typeName: 'list of bytes',
        fallback: 'anything',
      }),
    wakeFrom: cidrs(
      'Only clients from these addresses wake it; others are served while it runs anyway.',
      'everybody',
    ),
  })

export type CheckedWake = z.output<ReturnType<typeof wake>>
