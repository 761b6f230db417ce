/**
 * A service and clients by which one sees at once whose bytes are whose, and whose state a connection is in.
 *
 *     NAME tag           → "tag named\n"; the connection has that name from now on
 *     GET tag n bytes    → "tag n name filler\n", the filler made of the tag; the name is that of the connection, or -
 *     RESET nonce        → "RESET nonce\n"; the connection has no name any more
 *     anything else      → "what? …\n"
 *
 * - plan: what one client does, and when it leaves
 */

import { connect, type Socket } from 'node:net'
import { type Scope, within } from './scope.js'
import { LOOPBACK, startServer, type TestServer } from './sockets.js'

export type Random = () => number

export const TAGGED_RESET = { send: 'RESET {nonce}\n', expect: 'RESET {nonce}\n' }

const replyTo = (tag: string, n: number, name: string, bytes: number): string =>
  `${tag} ${n} ${name} ${tag.repeat(Math.ceil(bytes / tag.length)).slice(0, bytes)}\n`

export interface TaggedService {
  readonly server: TestServer
  /** Connections that came. */
  readonly accepted: number
  /** How often one was reset. */
  readonly resets: number
  /** What was no request. */
  readonly malformed: readonly string[]
}

/** `pieces`: in how many a reply is sent at most, with a turn of the loop in between. */
export const startTagged = async (scope: Scope, random: Random, pieces = 1): Promise<TaggedService> => {
  let accepted = 0
  let resets = 0
  const malformed: string[] = []
  const server = await startServer(scope, (socket) => {
    accepted++
    let name = '-'
    let rest = ''
    let replying = Promise.resolve()
    const answer = (line: string): string => {
      const [verb, tag = '', n, bytes] = line.split(' ')
      if (/^RESET [0-9a-f]{16}$/.test(line)) {
        name = '-'
        resets++
        return `${line}\n`
      }
      if (/^NAME t\d+;$/.test(line)) {
        name = tag
        return `${tag} named\n`
      }
      if (verb === 'GET' && /^GET t\d+; \d+ \d+$/.test(line))
        return replyTo(tag, Number(n), name, Number(bytes))
      malformed.push(line)
      return `what? ${line}\n`
    }
    socket.on('data', (chunk) => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const reply = answer(line)
        const parts = pieces === 1 ? 1 : 1 + Math.floor(random() * pieces)
        replying = replying.then(() => sendIn(socket, reply, parts))
      }
    })
    socket.on('end', () => void replying.then(() => socket.end()))
  })
  return {
    server,
    get accepted() {
      return accepted
    },
    get resets() {
      return resets
    },
    malformed,
  }
}

const sendIn = async (socket: Socket, text: string, parts: number): Promise<void> => {
  const size = Math.ceil(text.length / parts)
  for (let at = 0; at < text.length; at += size) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve))
    if (!socket.destroyed) socket.write(text.slice(at, at + size), 'latin1')
  }
}

/**
 * `behind`: right behind its requests. `within`: in the middle of one. `during`: in the middle of the replies. `torn`: after the
 * replies, with the beginning of another request sent.
 */
export const MOMENTS = ['before', 'behind', 'within', 'during', 'after', 'torn'] as const
export type Moment = (typeof MOMENTS)[number]
const LEAVES_BY_REPLY: ReadonlySet<Moment> = new Set(['during', 'after', 'torn'])

/** `end` reads on until the other side ends, too. */
export const WAYS = ['end', 'close', 'reset'] as const
export type Way = (typeof WAYS)[number]

export interface TaggedPlan {
  readonly tag: string
  readonly moment: Moment
  readonly way: Way
  readonly requests: string
  readonly replies: string
  /** The beginning of a request. */
  readonly torn: string
  /** What is to be compared with the replies of all that came; null: it began with what is not for this client. */
  readonly rest?: (received: string) => string | null
}

const sameText = (received: string): string => received

/** Those that keep what `stateless` asks of them. */
export const WELL_BEHAVED: readonly Moment[] = ['before', 'behind', 'after']

/** Who leaves in the middle of a reply reads it in pieces of this size. */
const PIECE_BYTES = 2048

/** More than one piece, by far. */
export const LONG_REPLY_BYTES = 16 * 1024

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!

export const taggedPlan = (
  id: number,
  random: Random,
  moments: readonly Moment[] = MOMENTS,
  { ways = WAYS as readonly Way[], isNamed = random() < 0.5, mostBytes = 4000, leastBytesDuring = 0 } = {},
): TaggedPlan => {
  const tag = `t${id};`
  const moment = pick(random, moments)
  const leastBytes = moment === 'during' ? leastBytesDuring : 0
  const count = 1 + Math.floor(random() * 3)
  let requests = isNamed ? `NAME ${tag}\n` : ''
  let replies = isNamed ? `${tag} named\n` : ''
  for (let n = 0; n < count; n++) {
    const bytes = leastBytes + Math.floor(mostBytes ** random())
    requests += `GET ${tag} ${n} ${bytes}\n`
    replies += replyTo(tag, n, isNamed ? tag : '-', bytes)
  }
  const torn = `GET ${tag} 9`
  return { tag, moment, way: pick(random, ways), requests, replies, torn }
}

/** What had come of the replies when a client left: nothing, a part, all; null: it was the other side that ended. */
export type LeftAt = 'before' | 'during' | 'after' | null

export interface TaggedOutcome {
  /** Everything that came is what was expected, as far as it came. */
  readonly isOwn: boolean
  readonly isWhole: boolean
  readonly leftAt: LeftAt
  readonly received: string
  readonly errno: string | null
}

const leave = (socket: Socket, way: Way): void => {
  if (way === 'end') socket.end()
  else if (way === 'close') socket.destroy()
  else socket.resetAndDestroy()
}

/** Plays one client to its end. Rejects when that does not come. */
export const playTagged = (plan: TaggedPlan, port: number, deadlineMs = 30_000): Promise<TaggedOutcome> => {
  const { moment, way, requests, replies, torn, rest = sameText } = plan
  const take = (chunk: Uint8Array): void => {
    received += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1')
    const isDue = moment === 'during' || (rest(received)?.length ?? 0) >= replies.length
    if (LEAVES_BY_REPLY.has(moment) && isDue && !socket.writableEnded) leaves()
  }
  const inPieces = {
    buffer: Buffer.alloc(moment === 'during' ? PIECE_BYTES : 0),
    callback: (length: number, buffer: Uint8Array): boolean => {
      take(buffer.subarray(0, length))
      return true
    },
  }
  const socket = connect({
    port,
    host: LOOPBACK,
    allowHalfOpen: true,
    noDelay: true,
    ...(moment === 'during' ? { onread: inPieces } : {}),
  })
  let received = ''
  let errno: string | null = null
  let leftAt: LeftAt = null
  const leaves = (): void => {
    const own = rest(received)?.length ?? 0
    leftAt = received === '' ? 'before' : own < replies.length ? 'during' : 'after'
    leave(socket, way)
  }
  const over = new Promise<TaggedOutcome>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => {
      errno = error.code ?? error.message
    })
    socket.on('close', () =>
      resolve({
        isOwn: replies.startsWith(rest(received) ?? '\0'),
        isWhole: rest(received) === replies,
        leftAt,
        received,
        errno,
      }),
    )
    socket.on('end', () => socket.end())
    socket.on('data', take)
    socket.on('connect', () => {
      if (moment === 'before') return leaves()
      if (moment === 'within') {
        const at = 1 + Math.floor(requests.length / 2)
        socket.write(requests.slice(0, at), () => leaves())
      } else if (moment === 'behind') socket.write(requests, () => leaves())
      else if (moment === 'torn') socket.write(requests + torn)
      else socket.write(requests)
    })
  })
  return within(deadlineMs, `the client ${plan.tag} (${moment}, ${way}) to end`, over).finally(() =>
    socket.destroy(),
  )
}

/** Plays many, so many at a time. */
export const playAllTagged = async (
  count: number,
  atOnce: number,
  port: number,
  plan: (n: number) => TaggedPlan,
  judge: (plan: TaggedPlan, outcome: TaggedOutcome) => void,
): Promise<void> => {
  let next = 0
  const inTurn = async (): Promise<void> => {
    while (next < count) {
      const each = plan(next++)
      judge(each, await playTagged(each, port))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, inTurn))
}
