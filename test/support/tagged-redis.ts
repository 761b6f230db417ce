/**
 * Redis clients that leave their connection in every state it can be in, and first look at the state they find. The same
 * plays as in tagged.ts.
 */

import { once } from 'node:events'
import { connect } from 'node:net'
import { LOOPBACK } from './sockets.js'
import {
  LONG_REPLY_BYTES,
  MOMENTS,
  type Moment,
  pick,
  type Random,
  type TaggedPlan,
  WAYS,
  type Way,
} from './tagged.js'

/** For a server without a password. As docs/upstreams.md has it. */
export const REDIS_RESET = {
  send: 'RESET\r\nECHO {nonce}\r\n',
  expect: '+RESET\r\n$16\r\n{nonce}\r\n',
}

export const command = (...words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

/** `CLIENT INFO` of a connection that nobody has touched. */
const UNTOUCHED =
  /^\$\d+\r\nid=\d+ .* name= .* db=0 sub=0 psub=0 ssub=0 multi=-1 .* user=default .*resp=2.*\n\r\n/

const afterInfo = (received: string): string | null => {
  const length = /^\$(\d+)\r\n/.exec(received)
  if (length === null) return /^(\$\d*\r?)?$/.test(received) ? '' : null
  const end = length[0].length + Number(length[1]) + 2
  if (received.length < end) return ''
  return UNTOUCHED.test(received.slice(0, end)) ? received.slice(end) : null
}

/** What spoils a connection for the next client, and its reply. */
const spoilt = (random: Random, tag: string): readonly [string, string] =>
  pick<readonly [string, string]>(random, [
    ['', ''],
    [command('SELECT', '7'), '+OK\r\n'],
    [command('CLIENT', 'SETNAME', tag), '+OK\r\n'],
    [command('AUTH', 'app', 'secret'), '+OK\r\n'],
    [command('MULTI') + command('ECHO', tag), '+OK\r\n+QUEUED\r\n'],
    [command('WATCH', tag), '+OK\r\n'],
    [command('SUBSCRIBE', tag), `*3\r\n${bulk('subscribe')}${bulk(tag)}:1\r\n`],
  ])

const longReply = (tag: string): readonly [string, string] => {
  const times = Math.ceil(LONG_REPLY_BYTES / tag.length)
  const script = 'return string.rep(ARGV[1], ARGV[2])'
  return [command('EVAL', script, '0', tag, String(times)), bulk(tag.repeat(times))]
}

export const redisPlan = (
  id: number,
  random: Random,
  { moments = MOMENTS as readonly Moment[], ways = WAYS as readonly Way[] } = {},
): TaggedPlan => {
  const tag = `t${id};`
  const moment = pick(random, moments)
  const [long, longs] = moment === 'during' ? longReply(tag) : ['', '']
  const [spoil, reply] = spoilt(random, tag)
  const value = tag.repeat(1 + Math.floor(100 * random()))
  return {
    tag,
    moment,
    way: pick(random, ways),
    requests: command('CLIENT', 'INFO') + command('SET', tag, value) + command('GETDEL', tag) + long + spoil,
    replies: `+OK\r\n${bulk(value)}${longs}${reply}`,
    torn: '*2\r\n$4\r\nECHO\r\n$9',
    rest: afterInfo,
  }
}

/** Sends one command straight to the server, and resolves with what comes back first. */
export const askRedis = async (port: number, ...words: readonly string[]): Promise<string> => {
  const socket = connect({ port, host: LOOPBACK })
  try {
    socket.write(command(...words))
    const [reply]: unknown[] = await once(socket, 'data')
    return String(reply)
  } finally {
    socket.destroy()
  }
}
