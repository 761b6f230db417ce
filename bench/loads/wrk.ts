/** wrk: HTTP requests over 32 connections, as many as are answered. */

import { LOOPBACK } from '../machine/ports.js'
import { runProgram } from '../machine/programs.js'
import type { Site } from './bench-site.js'

const CONNECTIONS = 32
const PATIENCE_MS = 15_000

export interface Answered {
  readonly requests: number
  readonly seconds: number
  /** Of the time from a request to its answer, in microseconds. */
  readonly p50: number
  readonly p99: number
}

const MICROSECONDS: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6, m: 60e6 }

const SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }

const amount = (text: string | undefined, units: Readonly<Record<string, number>>): number => {
  const [, number = '', unit = ''] = /^([\d.]+)([a-z]+)$/.exec(text ?? '') ?? []
  return Number(number) * (units[unit] ?? Number.NaN)
}

/** Reads what `wrk --latency` prints; throws if requests failed, since what failed costs less. */
export const parseWrk = (text: string): Answered => {
  const trouble = /^\s*(Socket errors: .*|Non-2xx or 3xx responses: .*)$/m.exec(text)?.[1]
  if (trouble !== undefined) throw new Error(`wrk: ${trouble}`)
  const [, requests, time] = /^\s*(\d+) requests in (\S+),/m.exec(text) ?? []
  const percentile = (n: number): number =>
    amount(new RegExp(`^\\s*${n}%\\s+(\\S+)$`, 'm').exec(text)?.[1], MICROSECONDS)
  const answered = {
    requests: Number(requests),
    seconds: amount(time, SECONDS),
    p50: percentile(50),
    p99: percentile(99),
  }
  if (Object.values(answered).some((figure) => !(figure > 0)))
    throw new Error(`wrk printed no figures: ${text.trim().split('\n').at(-1) ?? ''}`)
  return answered
}

/** @param close a new connection for each request */
export const runWrk = async (
  { scope, cores, tool }: Site,
  port: number,
  seconds: number,
  close: boolean,
): Promise<Answered> => {
  const command = [
    ...([tool('wrk'), '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '--timeout', '10s'] as const),
    ...(close ? ['-H', 'Connection: close'] : []),
    `http://${LOOPBACK}:${port}/`,
  ] as const
  const { stdout } = await runProgram(scope, cores.others(command), {
    timeoutMs: seconds * 1000 + PATIENCE_MS,
  })
  return parseWrk(stdout)
}
