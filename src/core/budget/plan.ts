/**
 * What a process's descriptors are for. The plan is made once, from the limit and the config; the engines keep to it.
 *
 * - limit: how many descriptors the process may have open (RLIMIT_NOFILE)
 * - reserved: what is not for connections: the process's own files, the engines, what is opened later or for a moment
 * - kept: the part of the reserved that is not open yet, or only for moments, so that nobody else may take it
 * - pools: the connections that pools keep ready, `min` for each endpoint, and each address of one that is a name (warm.ts). They are lent: clients come first
 * - clients: how many fit into the rest. Each takes two descriptors, its own and its upstream's
 */

/** Node's own at rest are about 20: loop, signals, standard streams, file threads. */
export const PROCESS_DESCRIPTORS = 24

/** A thread's event loop and its epoll set. */
export const WORKER_DESCRIPTORS = 6

/** The engine of the main thread: an epoll set, and what libuv opens to watch it. */
export const ENGINE_DESCRIPTORS = 2

/** The writing thread's loop, the file, its lock, and the file that follows. */
const RECORDING_DESCRIPTORS = 9
/** Files of one recording that are open at a time; others are opened again when something goes to them. */
export const MAX_OPEN_FILES = 64
/** A complete file that is compressed, and its compressed one; a file that is looked at, and its folder; the lock of the run. */
const MANY_FILES_DESCRIPTORS = 5
/** The segment that is read, its folder's lock, the sink's connection, one that it is opened anew with, and a look at the disk. */
const SINK_DESCRIPTORS = 6

/** What a recording goes to: one file, several one after the other, one per client or listener, or a sink with a spool. */
export type RecordingKind = 'none' | 'file' | 'files' | 'split' | 'sink'

const RECORDING: Readonly<Record<RecordingKind, number>> = {
  none: 0,
  file: RECORDING_DESCRIPTORS,
  files: RECORDING_DESCRIPTORS + MANY_FILES_DESCRIPTORS,
  split: RECORDING_DESCRIPTORS + MANY_FILES_DESCRIPTORS + MAX_OPEN_FILES,
  sink: RECORDING_DESCRIPTORS + SINK_DESCRIPTORS,
}

/** What a service that is started on demand prints, where it is knocked, and what ends it with this process. */
export const SERVICE_DESCRIPTORS = 6

/** A process per client, beside its client's: the other end of its socket, and what it prints. */
export const PROCESS_PER_CLIENT_DESCRIPTORS = 2

/** A listener and a few who look in. */
export const ADMIN_DESCRIPTORS = 8

export const DESCRIPTORS_PER_CLIENT = 2

/** Most clients that wait accepted: a burst; beyond that, a refusal tells the client sooner. */
const MOST_WAITING = 64

/** Of what is left, a sixteenth: each two that wait take what would serve another. */
const WAITING_SHIFT = 4

const MOST_IN_RESERVE = 32

/** For what nobody plans: a look-up's socket, a module. Of a small limit an eighth. */
export const reserveOf = (limit: number): number => Math.min(MOST_IN_RESERVE, limit >> 3)

/** What the reserved are for. */
export interface Reserved {
  /** Node, and whatever the program had open before. */
  readonly process: number
  readonly engine: number
  readonly listeners: number
  readonly recording: number
  readonly checks: number
  /** Processes that are started on demand. */
  readonly services: number
  readonly admin: number
  /** One for each thread that accepts, open for a moment: to find out whether there is room, or a client that is refused. */
  readonly passing: number
  /** Clients that wait accepted, where an engine cannot leave them in the kernel's backlog. */
  readonly waiting: number
  readonly reserve: number
}

export interface BudgetNeeds {
  readonly limit: number
  /** What is open before anything of the gateway is; null: not known. */
  readonly open: number | null
  readonly workers: number
  /** The engine accepts whoever comes. */
  readonly acceptsAll: boolean
  readonly listeners: number
  readonly recording: RecordingKind
  /** Endpoints that are checked: one connection at a time each. */
  readonly checks: number
  /** Descriptors for processes that are started on demand. */
  readonly services: number
  /** `min` of each pool, times its endpoints, or their addresses. */
  readonly pools: number
}

export interface BudgetPlan {
  readonly limit: number
  readonly reserved: Reserved
  readonly totalReserved: number
  readonly waiting: number
  readonly kept: number
  readonly pools: number
  readonly clients: number
  /** What clients, upstream connections and pools may take together. */
  readonly connections: number
}

const total = (reserved: Readonly<Record<string, number>>): number =>
  Object.values(reserved).reduce((sum, count) => sum + count, 0)

const waitingOf = (left: number): number => Math.min(MOST_WAITING, Math.max(0, left) >> WAITING_SHIFT)

const fixedFor = ({ limit, open, workers, listeners, recording, checks, services }: BudgetNeeds) => ({
  process: Math.max(open ?? 0, PROCESS_DESCRIPTORS),
  engine: ENGINE_DESCRIPTORS + workers * WORKER_DESCRIPTORS,
  // Each thread that accepts has a descriptor of its own for the socket.
  listeners: listeners * (1 + workers),
  recording: RECORDING[recording],
  checks,
  services,
  admin: ADMIN_DESCRIPTORS,
  passing: 1 + workers,
  reserve: reserveOf(limit),
})

/** Says of any needs how the limit is divided; whether that is enough, {@link shortageOf} says. */
export const planBudget = (needs: BudgetNeeds): BudgetPlan => {
  const { limit, checks, services, pools } = needs
  const { reserve, ...fixed } = fixedFor(needs)
  const left = limit - total(fixed) - reserve - pools
  const reserved = { ...fixed, waiting: needs.acceptsAll ? waitingOf(left) : 0, reserve }
  const totalReserved = total(reserved)
  const connections = Math.max(0, limit - totalReserved)
  return {
    limit,
    reserved,
    totalReserved,
    waiting: reserved.waiting,
    kept: checks + services + ADMIN_DESCRIPTORS + fixed.passing,
    pools,
    clients: Math.max(0, Math.floor((connections - pools) / DESCRIPTORS_PER_CLIENT)),
    connections,
  }
}

/** What pools may keep ready at most, beside one client. */
export const roomForPools = ({ limit, totalReserved, waiting }: BudgetPlan): number =>
  // The less is left, the fewer wait accepted.
  limit - totalReserved + waiting - DESCRIPTORS_PER_CLIENT

/** `24 process, 2 engine`: what is not nothing. */
export const reservedText = (reserved: Reserved): string =>
  Object.entries(reserved)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')

/** Why not even one client can be served, with figures, in one line; null if one can. */
export const shortageOf = ({ limit, reserved, totalReserved, pools }: BudgetPlan): string | null => {
  const needed = totalReserved + pools + DESCRIPTORS_PER_CLIENT
  if (needed <= limit) return null
  const forPools = pools === 0 ? '' : `, ${pools} for pools (pool.min of each endpoint)`
  const remedy = pools === 0 ? 'raise the limit (ulimit -n)' : 'raise the limit (ulimit -n) or lower pool.min'
  return (
    `${limit} descriptors may be open, but at least ${needed} are needed: ${totalReserved} reserved ` +
    `(${reservedText(reserved)})${forPools}, ${DESCRIPTORS_PER_CLIENT} for a client; ${remedy}`
  )
}
