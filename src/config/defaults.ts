/**
 * The defaults and bounds of the config, each beside its reason. Durations in milliseconds, sizes in bytes; what the
 * schema, the JSON Schema file and the reference page print of them comes from here.
 */

const SECOND = 1000
const MINUTE = 60 * SECOND
const KIB = 1024
const MIB = 1024 * KIB

/** A healthy upstream answers a SYN within a round trip; five seconds outlast two lost SYNs (retried after 1 s and 3 s). */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5 * SECOND

/** Longer than the pauses of people and of most keep-alive clients, short enough that dead peers do not pile up. */
export const DEFAULT_IDLE_TIMEOUT_MS = 10 * MINUTE

/** Once one side has ended, a reply still under way keeps moving; half a minute of silence means it never ends. */
export const DEFAULT_HALF_CLOSE_TIMEOUT_MS = 30 * SECOND

/** A proxy sends its header with the first packet: three seconds outlast a lost SYN's or packet's first retransmissions. */
export const DEFAULT_PROXY_TIMEOUT_MS = 3 * SECOND

/** What process managers allow by default (Kubernetes 30 s, systemd 90 s), so that a drain ends before they kill. */
export const DEFAULT_DRAIN_TIMEOUT_MS = 30 * SECOND

/** Linux's own ceiling since 5.4 (`net.core.somaxconn`): a burst waits in the kernel rather than being refused. */
export const DEFAULT_BACKLOG = 4096
/** listen(2) takes a signed int, but kernels keep it in 16 bits here and there. */
export const MAX_BACKLOG = 65_535

/** One libuv read: a whole chunk fits, and a thousand stalled connections hold no more than 128 MiB. */
export const DEFAULT_BUFFER_BYTES = 64 * KIB
/** Below a page, system calls cost more than the memory saved. */
export const MIN_BUFFER_BYTES = 4 * KIB
/** Above Linux's largest default socket buffer (6 MiB) more user memory does not make a stream faster. */
export const MAX_BUFFER_BYTES = 16 * MIB

/** A tenth of a second of a fast disk (160 MB/s): enough to ride out a flush, little enough to lose with the process. */
export const DEFAULT_RECORD_BUFFER_BYTES = 16 * MIB
/** Room for one full chunk of both directions of a few connections, with their packet headers. */
export const MIN_RECORD_BUFFER_BYTES = 1 * MIB
/** Memory, not a store: what must be kept longer belongs in the file. */
export const MAX_RECORD_BUFFER_BYTES = 1024 * MIB

/** One thread serves tens of thousands of requests a second; more threads cost some 10 MiB and a start of 50 ms each. */
export const DEFAULT_WORKERS = 0
/** More threads than any machine has processors for; each has its own share of memory, timers and pipes. */
export const MAX_WORKERS = 256

/** No limit of our own: the machine's descriptors are the limit. */
export const DEFAULT_MAX_CONNECTIONS = 0

/** Probes are off, as the kernel has them: the idle timeout already ends what is silent. */
export const DEFAULT_KEEP_ALIVE_MS = 0

/** Node's timers hold a signed 32-bit count of milliseconds (24.8 days) and fire at once beyond it. */
export const MAX_DURATION_MS = 2 ** 31 - 1

/** A config is text that people write: anything longer is some other file, named by mistake. */
export const MAX_CONFIG_BYTES = 1 * MIB
