/**
 * A recording as tshark has it: a reader that is not ours.
 *
 * Connection N of `inspect` is TCP stream N - 1 of tshark: both count in order of appearance.
 */

import { expect } from 'vitest'
import { runWell } from './processes.js'
import type { StreamSink } from './streams.js'
import { toolPath } from './tools.js'

/** The largest recordings take tshark a while on a small machine. */
const READING_MS = 180_000

/**
 * Reads what `-z follow,tcp,raw,N` prints: for each stream a header, then a line of hex for each segment, led by a tab if
 * it is the server's. Holds one line at a time.
 */
const followParser = ({ begin, push }: StreamSink) => {
  let current: number | undefined
  let odd = ''
  let rest = ''
  const line = (text: string): void => {
    const header = /^Filter: tcp\.stream eq (\d+)$/.exec(text)
    if (header) {
      current = Number(header[1]) + 1
      begin(current)
      return
    }
    if (/^(?:=+|Follow: .*|Node [01]: .*|)$/.test(text)) return
    if (current === undefined) {
      odd += `${text}\n`
      return
    }
    const hex = text.startsWith('\t') ? text.slice(1) : text
    const bytes = Buffer.from(hex, 'hex')
    if (bytes.length * 2 !== hex.length) throw new Error(`not a line of hex: ${text.slice(0, 80)}`)
    push(current, hex === text ? 'upstream' : 'downstream', bytes)
  }
  return {
    push: (chunk: Buffer): void => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const text of lines) line(text)
    },
    /** What came before the streams: the packets that the filter let through. */
    odd: (): string => odd,
  }
}

/** What tshark itself says on stderr whenever root runs it, which is no complaint about the file. */
const ROOT_NOTICE = /^Running as user "root" and group "root"\. This could be dangerous\.\n/

/** A client may come again from a port it used before; every other remark would be about packets we made up. */
const ODDITIES = 'tcp.analysis.flags && !tcp.analysis.reused_ports'

export interface Following {
  /** Connections to follow meanwhile, counted from 1. One by one their cost adds up: each packet is held against each. */
  readonly connections: readonly number[]
  readonly sink: StreamSink
}

export interface TsharkOptions {
  /**
   * Whether tshark also puts the messages above TCP together, its default: in memory, and in half a minute for a message
   * of 1 GiB.
   */
  readonly reassemble?: boolean
}

/**
 * Has tshark read the whole file once. Fails if tshark does, or has anything to complain about the file.
 * @returns a line for each packet that tshark finds something odd about
 */
export const readWithTshark = async (
  file: string,
  { connections, sink }: Following = { connections: [], sink: { begin: () => {}, push: () => {} } },
  { reassemble = true }: TsharkOptions = {},
): Promise<string> => {
  const parser = followParser(sink)
  // -n: no name lookups, which would leave the machine.
  const args = [
    '-n',
    '-r',
    file,
    '-Y',
    ODDITIES,
    ...(reassemble ? [] : ['-o', 'tcp.desegment_tcp_streams:FALSE']),
    ...connections.flatMap((n) => ['-z', `follow,tcp,raw,${n - 1}`]),
  ]
  const { stderr } = await runWell(toolPath('tshark'), args, { timeoutMs: READING_MS, onStdout: parser.push })
  expect(stderr.replace(ROOT_NOTICE, '')).toBe('')
  return parser.odd()
}
