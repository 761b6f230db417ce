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

/** A service is reached at each of its addresses alike, so clients are spread unless the config says how else. */
export const DEFAULT_BALANCE = 'round_robin'

/** All endpoints are alike until the config says otherwise. */
export const DEFAULT_WEIGHT = 1
/** As nginx and HAProxy users know it; finer shares than 1 : 256 do not show in practice. */
export const MAX_WEIGHT = 256

/** Longer than a burst, shorter than the patience of a person or of most clients' own timeouts. */
export const DEFAULT_QUEUE_TIMEOUT_MS = 10 * SECOND
/** A queue that long is served within its timeout only at 100 connections a second: beyond it, waiting is no help. */
export const DEFAULT_MAX_QUEUE = 1000

/** What most zones give as the life of a record that may move; Node's lookup does not tell the real one. */
export const DEFAULT_RESOLVE_INTERVAL_MS = 30 * SECOND

/** The next client is sent elsewhere at once: who cannot be reached is unlikely to be a millisecond later. */
export const DEFAULT_PASSIVE_FAILURES = 1
/** Counts are kept in 32 bits; a thousand failures in a row are no longer a matter of luck anyway. */
export const MAX_HEALTH_COUNT = 1000
/** A process that restarts is back about now, and one failed dial a second costs nobody anything. */
export const DEFAULT_BACKOFF_MS = 1 * SECOND
/** What a machine that was away for long may lack clients once it is back. */
export const DEFAULT_MAX_BACKOFF_MS = 1 * MINUTE

/** With {@link DEFAULT_FALL}, an endpoint that hangs is known after some six seconds. */
export const DEFAULT_CHECK_INTERVAL_MS = 2 * SECOND
/** A hundred checks a second of each endpoint are a load, and no news. */
export const MIN_CHECK_INTERVAL_MS = 10
/** Ten times a slow round trip: who takes longer to answer a check is no help to clients. */
export const DEFAULT_CHECK_TIMEOUT_MS = 1 * SECOND
/** One good answer may be luck of a service that is still starting. */
export const DEFAULT_RISE = 2
/** One lost packet, or two, are no outage. */
export const DEFAULT_FALL = 3

/** Prewarm is asked for to have one ready; who has bursts of clients knows how large they are. */
export const DEFAULT_PREWARM_MIN = 1
/** Connections that come back fill the pool by themselves; dialling ahead of need is asked for. */
export const DEFAULT_REUSE_MIN = 0
/** Covers bursts of short connections, and is little beside an upstream's own limit (PostgreSQL's is 100). */
export const DEFAULT_POOL_MAX = 16
/** Each is a descriptor here and often a process or thread there. */
export const MAX_POOL_MAX = 10_000
/** Below what firewalls and load balancers give a silent connection (AWS 350 s, Azure 4 min) and most services. */
export const DEFAULT_POOL_IDLE_TIMEOUT_MS = 1 * MINUTE
/** So that a change behind the upstream's address (fail-over, new version) is followed within the hour. */
export const DEFAULT_MAX_AGE_MS = 60 * MINUTE
/** A connection that is proven clean each time does not wear out. */
export const DEFAULT_MAX_USES = 0
/** A reset is a round trip and no work; who needs longer is busy with something that must not be handed on. */
export const DEFAULT_RESET_TIMEOUT_MS = 1 * SECOND
/** Longer than the gaps within one reply on a network that works; a pool hardly notices a twentieth of a second. */
export const DEFAULT_QUIET_MS = 50

/** What every socket buffer takes in one write, and one page holds for each connection under way. */
export const MAX_EXCHANGE_BYTES = 4 * KIB

/** Longer than the pauses of somebody who works with it, short enough to give memory back. */
export const DEFAULT_WAKE_IDLE_MS = 30 * SECOND
/** What a database needs to recover, or a JVM to start; most are there in less than a second. */
export const DEFAULT_WAKE_START_MS = 30 * SECOND
/** A service that takes long is found ready at most this much later. */
export const DEFAULT_WAKE_READY_MS = 500
/** As Docker's own, so that a database has the time to write what it has. */
export const DEFAULT_WAKE_STOP_MS = 10 * SECOND
/** That a container is gone shows by the next client's dial as well. */
export const DEFAULT_WAKE_INTERVAL_MS = 5 * SECOND
/** Each is a process. */
export const MIN_WAKE_INTERVAL_MS = 100
/** A process per client: what a small machine bears, and inetd's own order of magnitude. */
export const DEFAULT_INETD_MAX_CONNECTIONS = 100

/** Probes are off, as the kernel has them: the idle timeout already ends what is silent. */
export const DEFAULT_KEEP_ALIVE_MS = 0

/** Node's timers hold a signed 32-bit count of milliseconds (24.8 days) and fire at once beyond it. */
export const MAX_DURATION_MS = 2 ** 31 - 1

/** A config is text that people write: anything longer is some other file, named by mistake. */
export const MAX_CONFIG_BYTES = 1 * MIB

/** Every connection; see `record.sample`. */
export const DEFAULT_SAMPLE = 1
/** fsync takes milliseconds on most disks: once a second costs nothing to speak of. */
export const DEFAULT_SYNC_INTERVAL_MS = 1 * SECOND
/** Smaller files would be more names than data. */
export const MIN_ROTATE_BYTES = 64 * KIB
export const MIN_ROTATE_MS = 1 * SECOND
/** Ten seconds of a gigabit of traffic; minutes of what most services say. */
export const DEFAULT_SPOOL_BYTES = 1024 * MIB
/** A few of the spool's own files. */
export const MIN_SPOOL_BYTES = 16 * MIB
/** A pebibyte: more than any one machine stores. */
export const MAX_STORE_BYTES = 1024 * 1024 * 1024 * MIB
