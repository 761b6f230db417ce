/** A gateway in this process that records to a small disk; and what the disk has in the end, held against the gateway's ledger. */

import { expect } from 'vitest'
import { verifyCommand } from '../../../../src/cli/commands/verify.js'
import type { GatewayConfigInput } from '../../../../src/config/config.js'
import { createGateway, type Gateway } from '../../../../src/control/gateway.js'
import type { RecordingCounters } from '../../../../src/control/recording/recording.js'
import type { ConnectionRecord } from '../../../../src/core/session/record.js'
import type { Logger } from '../../../../src/ports/logger.js'
import type { Sink } from '../../../../src/ports/sink.js'
import { runCommand } from '../../../cli/recordings.js'
import { payload } from '../../../support/payload.js'
import { expectSameBytes } from '../../../support/recording.js'
import { eventually, type Scope } from '../../../support/scope.js'
import { dial, exchange, LOOPBACK, startServer } from '../../../support/sockets.js'

export const KIB = 1024
export const MIB = 1024 * KIB

export interface Said {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface DiskGateway {
  readonly gateway: Gateway
  readonly port: number
  readonly said: readonly Said[]
  /** Of connections that are over. */
  readonly ended: readonly ConnectionRecord[]
  /** Sends bytes of this seed, and sees that just these come back. */
  relay(seed: number, length: number): Promise<void>
  /** Resolves once a write has failed, and it was said. */
  failing(): Promise<void>
  messages(what: string): readonly string[]
  recording(): RecordingCounters
  /** Ends the gateway; what it has counted then. */
  finish(): Promise<RecordingCounters>
}

export interface DiskGatewayOptions {
  readonly workers?: number
  readonly sink?: Sink
}

/** In front of a service that sends back what comes. */
export const startDiskGateway = async (
  scope: Scope,
  record: GatewayConfigInput['record'],
  { workers = 0, sink }: DiskGatewayOptions = {},
): Promise<DiskGateway> => {
  const echo = await startServer(scope, (socket) => void socket.pipe(socket))
  const said: Said[] = []
  const ended: ConnectionRecord[] = []
  const log =
    (level: string) =>
    (fields: object, message: string): void =>
      void said.push({ level, fields: { ...fields }, message })
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const gateway = await createGateway(
    {
      listeners: [{ name: 'one', listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
      record: { bufferSize: '1MiB', ...record },
      workers,
    },
    {
      logger,
      observers: [{ onClose: (closed) => void ended.push(closed) }],
      ...(sink === undefined ? {} : { sink }),
    },
  )
  scope.defer(() => gateway.destroy())
  const { address } = gateway.listeners[0]!
  if (!('port' in address)) throw new Error('it listens at no port')
  const { port } = address
  const messages = (what: string): readonly string[] =>
    said.map(({ message }) => message).filter((message) => message.includes(what))
  const recording = (): RecordingCounters => gateway.counters().recording!
  return {
    gateway,
    port,
    said,
    ended,
    recording,
    relay: async (seed, length) => {
      const bytes = payload(seed, length)
      expectSameBytes(await exchange(await dial(scope, port), bytes), bytes, `what was sent as ${seed}`)
    },
    failing: async () => {
      const isSaid = (): boolean => messages('fails, bytes are lost').length > 0
      await eventually('a write to fail', () => recording().lostBytes > 0 && isSaid())
    },
    messages,
    finish: async () => {
      await gateway.close({ drainTimeoutMs: 5000 })
      return recording()
    },
  }
}

/** Small exchanges until a write has worked again: what waited for it is written then. */
export const untilStored = async ({ relay, recording }: DiskGateway): Promise<void> => {
  const before = recording().storedBytes
  await eventually('a write to work again', async () => {
    await relay(99, 1)
    return recording().storedBytes > before
  })
}

/** A finding, or the summary. */
interface Line {
  readonly kind: string
  readonly [field: string]: unknown
}

interface Summary {
  readonly ok: boolean
  readonly connections: number
  readonly unfinished: number
  readonly withLedger: number
  readonly bytes: Readonly<Record<string, number>>
  readonly missing: Readonly<Record<string, number>>
  readonly holes: number
  readonly mismatches: number
  readonly corrupt: number
  readonly damage: unknown
  readonly damagedFiles: number
  readonly files: number
}

export interface Verified extends Summary {
  readonly code: number
  readonly whys: ReadonlySet<unknown>
  readonly found: readonly Line[]
}

/** What `tidegate verify --json` says. */
export const verify = async (...paths: readonly string[]): Promise<Verified> => {
  const { code, stdout, stderr } = await runCommand(verifyCommand, [...paths, '--json'])
  expect(stderr).toBe('')
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
  const summary = lines.at(-1)
  if (summary?.kind !== 'summary') throw new Error(`no summary: ${stdout}`)
  const found = lines.slice(0, -1)
  const whys = new Set(found.filter(({ kind }) => kind === 'hole').map(({ why }) => why))
  return { ...(summary as unknown as Summary), code, found, whys }
}

export const sum = (both: Readonly<Record<string, number>>): number => both.upstream! + both.downstream!

/** Every byte that was seen is accounted for, and nothing waits any more. */
export const expectExact = ({
  seenBytes,
  storedBytes,
  lostBytes,
  cutBytes,
  bufferedBytes,
}: RecordingCounters) => {
  expect(bufferedBytes).toBe(0)
  expect(storedBytes + lostBytes + cutBytes).toBe(seenBytes)
}

/** The ledger is exact, and `verify` finds what it says: so much stored, so much lost, and nothing else wrong. */
export const expectAgreement = (ledger: RecordingCounters, verified: Verified): void => {
  expectExact(ledger)
  const { damage, damagedFiles, corrupt, found } = verified
  const mismatches = found.filter(({ kind }) => kind === 'mismatch')
  expect({ damage, damagedFiles, mismatches, corrupt }).toEqual({
    damage: null,
    damagedFiles: 0,
    mismatches: [],
    corrupt: 0,
  })
  expect({
    stored: sum(verified.bytes),
    missing: sum(verified.missing),
    connections: verified.connections,
    unfinished: verified.unfinished,
    isOk: verified.ok,
    code: verified.code,
  }).toEqual({
    stored: ledger.storedBytes,
    missing: ledger.lostBytes,
    connections: ledger.connections,
    unfinished: ledger.unclosed,
    isOk: ledger.lostBytes === 0,
    code: ledger.lostBytes === 0 ? 0 : 1,
  })
}

/** What `record` sums up in the end is what `verify` finds. */
export const expectSum = (
  figures: Readonly<Record<string, unknown>>,
  { bytes, missing, damage, mismatches, unfinished }: Verified,
): void => {
  const { recordedBytes, lostBytes } = figures
  expect(lostBytes).toBeGreaterThan(0)
  expect({ damage, mismatches, unfinished }).toEqual({ damage: null, mismatches: 0, unfinished: 0 })
  expect({ recordedBytes: sum(bytes), lostBytes: sum(missing) }).toEqual({ recordedBytes, lostBytes })
}
