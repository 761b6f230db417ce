/**
 * The one schema of the config. The input's type, its checks, the JSON Schema that editors complete from and the reference
 * page in `docs/` are all made of it.
 *
 * It comes in two forms that differ in one point. In a config `text` a duration or size needs its unit (`idle: 30` is a
 * mistake: seconds or milliseconds?). In an `object`, made by a program, a plain number is milliseconds or bytes.
 */

import * as z from 'zod'
import * as defaults from './defaults.js'
import { address, cidrs, durationLeaf, type Form, flag, section, sizeLeaf, textLeaf } from './leaves.js'
import { type PlacedReaders, readersFrom } from './paths.js'
import { listenerRecord, record } from './record-schema.js'
import { formatDuration, formatSize } from './units.js'
import { upstream } from './upstream-schema.js'

const NAME = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'expected 1 to 64 letters, digits, dots, dashes or underscores')

/** Every field may be left out; `inherited` says what counts then. */
const timeouts = (form: Form, description: string, inherited: boolean) => {
  const field = (text: string, fallback: number) => {
    const from = inherited
      ? { fallback: 'as in the top-level `timeouts`' }
      : { builtIn: formatDuration(fallback) }
    return durationLeaf(form, { description: text, ...from }).optional()
  }
  return section({
    connect: field(
      'Longest wait for one endpoint to accept; then the next is tried. 0: no limit.',
      defaults.DEFAULT_CONNECT_TIMEOUT_MS,
    ),
    idle: field(
      'Ends a connection that moved no byte in either direction for this long. 0: never.',
      defaults.DEFAULT_IDLE_TIMEOUT_MS,
    ),
    halfClose: field(
      'Once one side has ended: ends the connection when the other moved no byte for this long. 0: never.',
      defaults.DEFAULT_HALF_CLOSE_TIMEOUT_MS,
    ),
  })
    .optional()
    .meta({ description, fallback: inherited ? 'the top-level `timeouts`' : 'see `timeouts`' })
}

const listener = (form: Form, read: PlacedReaders) =>
  section({
    name: z
      .string()
      .regex(/^\P{Cc}{1,128}$/u, 'expected 1 to 128 printable characters')
      .optional()
      .meta({
        description: 'What logs, tables and recordings call it; unique.',
        fallback: 'the listen address',
      }),
    listen: address(read.address, 'Where to accept clients. Port 0 takes any free port and reports it.'),
    upstream: textLeaf((text) => text, {
      description: 'Where connections go: a name under `upstreams`, or an address.',
      expected: 'a name under upstreams, or an address',
      typeName: 'name or address',
    })
      .optional()
      .meta({ required: true }),
    allow: cidrs(
      'If not empty, only clients from these addresses may connect (and none through a unix socket).',
      'everybody',
    ),
    deny: cidrs('Clients from these addresses may not connect, even if `allow` names them.', 'nobody'),
    proxyProtocol: z.enum(['off', 'require', 'accept']).prefault('off').meta({
      description:
        'PROXY protocol headers (v1, v2), by which a proxy in front says who its client is. `require`: each connection begins with one, or is reset (reason `proxy_protocol`). `accept`: one may begin with it. See docs/proxy-protocol.md.',
    }),
    proxyFrom: cidrs(
      'The proxies whose headers are believed. Others are refused with `require`, and with `accept` are clients like any other.',
      'required with `proxyProtocol`',
    ),
    proxyTimeout: durationLeaf(form, {
      description:
        'Longest wait for the whole header. With `accept`, a client that has sent nothing by then is served without one.',
      min: 1,
    }).prefault(formatDuration(defaults.DEFAULT_PROXY_TIMEOUT_MS)),
    maxConnections: z
      .int()
      .min(0)
      .prefault(defaults.DEFAULT_MAX_CONNECTIONS)
      .meta({ description: 'How many connections may be open at once. 0: no limit.' }),
    overflow: z.enum(['wait', 'refuse']).prefault('wait').meta({
      description:
        'What happens to a client beyond `maxConnections`: it waits in the backlog, or is reset at once (reason `limit`).',
    }),
    timeouts: timeouts(form, 'Overrides of the top-level `timeouts` for this listener.', true),
    noDelay: flag('TCP_NODELAY on both sides: small writes are not held back.', true),
    keepAlive: durationLeaf(form, {
      description: 'Idle time before TCP keep-alive probes start. 0: no probes.',
    }).prefault(formatDuration(defaults.DEFAULT_KEEP_ALIVE_MS)),
    backlog: z.int().min(1).max(defaults.MAX_BACKLOG).prefault(defaults.DEFAULT_BACKLOG).meta({
      description: 'Longest queue of connections not yet accepted; the kernel may hold it shorter.',
    }),
    ipv6Only: flag('On `[::]`: do not accept IPv4 as well.', false),
    bufferSize: sizeLeaf(form, {
      description:
        'Most memory per direction of each connection for bytes that the other side has not taken.',
      min: defaults.MIN_BUFFER_BYTES,
      max: defaults.MAX_BUFFER_BYTES,
    }).prefault(formatSize(defaults.DEFAULT_BUFFER_BYTES)),
    record: listenerRecord(form).optional().meta({
      description: 'Whether its connections are recorded, or what of them; needs a `record` section.',
      fallback: 'as the `record` section says',
    }),
  })

const log = section({
  level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .prefault('info')
    .meta({ description: 'Least serious message that is logged.' }),
  format: z.enum(['auto', 'pretty', 'json']).prefault('auto').meta({
    description: '`auto`: pretty on a terminal, else JSON.',
  }),
})

/** As in {@link GatewayConfig.engine}. */
export const ENGINE_NAMES = ['auto', 'linux', 'portable'] as const

/** The whole config, in one of its two forms; `read` places the paths in it. */
export const configSchema = (form: Form, read = readersFrom(undefined)) =>
  section({
    $schema: z
      .string()
      .optional()
      .meta({ description: 'Names the JSON Schema, for editors; otherwise ignored.', fallback: 'none' }),
    listeners: z
      .array(listener(form, read), 'expected a list of listeners')
      .min(1, 'expected at least one')
      .readonly()
      .meta({ description: 'Where clients connect.' }),
    upstreams: z
      .record(
        NAME,
        upstream(form, address(read.endpoint, 'Where to connect. Without a host: loopback.'), read),
      )
      .readonly()
      .prefault({})
      .meta({
        description: 'Services by name; each an address, or a list of `endpoints`.',
        fallback: 'none',
      }),
    timeouts: timeouts(form, 'Defaults for all listeners.', false),
    record: record(form, read).optional().meta({
      description: 'Records the traffic of all listeners (but those with `record: false`).',
      fallback: 'nothing is recorded',
    }),
    log: log.prefault({}).meta({ description: 'What is logged, and how.', fallback: 'see `log`' }),
    engine: z.enum(ENGINE_NAMES).prefault('auto').meta({
      description:
        'What moves the bytes. `linux`: epoll and splice (Linux on x86-64 or arm64). `portable`: node:net, anywhere. `auto`: linux where it runs, portable in a thread that is not the main one; the log says which and why.',
    }),
    workers: z.int().min(0).max(defaults.MAX_WORKERS).prefault(defaults.DEFAULT_WORKERS).meta({
      description:
        'Threads that serve connections, each with an engine of its own. 0: the main thread serves. They need the linux engine.',
    }),
    drainTimeout: durationLeaf(form, {
      description:
        'How long open connections may go on once the gateway closes; then they are cut (reason `drained`). 0: at once.',
    }).prefault(formatDuration(defaults.DEFAULT_DRAIN_TIMEOUT_MS)),
  }).meta({
    title: 'Tidegate config',
    description: 'A gateway: where it listens, where connections go, and what is recorded.',
  })

type ConfigSchema = ReturnType<typeof configSchema>

/** What the schema makes of it; `parse.ts` resolves names and inheritance in it. */
export type CheckedInput = z.output<ConfigSchema>
