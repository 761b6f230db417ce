/** Small recordings for the reading commands, made by the real recorder; and a way to run a command in this process. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { type Command, CommanderError } from 'commander'
import { onTestFinished } from 'vitest'
import { EXIT, exitCodeOf, failureText } from '../../src/cli/failure.js'
import type { CommandIo } from '../../src/cli/output.js'
import { parseAddress } from '../../src/core/address.js'
import { createPcapngReader } from '../../src/core/codec/pcapng/reader.js'
import type { Direction } from '../../src/core/direction.js'
import type { ConnectionTrack } from '../../src/core/record/track.js'
import { concat, Pcap, readAll } from '../core/codec/builders.js'
import { Harness } from '../core/record/harness.js'

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A recorder that is told what to record. Time is 1 ms later at each step. */
export class Tape extends Harness {
  connect(id: number, client = `127.0.0.1:${40_000 + id}`, server = '10.0.0.1:6379'): ConnectionTrack {
    this.nowMs += 1
    return this.open(id, parseAddress(client), parseAddress(server))
  }
  say(connection: ConnectionTrack, direction: Direction, what: string | Uint8Array): void {
    this.nowMs += 1
    const bytes = typeof what === 'string' ? utf8(what) : what
    this.recorder.data(connection, bytes, direction, this.nowMs)
  }
  /** Both FINs and the close. */
  hangUp(connection: ConnectionTrack): void {
    this.nowMs += 1
    this.fin(connection, 'upstream')
    this.fin(connection, 'downstream')
    this.recorder.close(connection, 'client_fin', this.nowMs)
    this.writeAll()
  }
}

/** The file that the recorder makes of `script`. */
export const recorded = (script: (tape: Tape) => void): Uint8Array => {
  const tape = new Tape()
  script(tape)
  tape.writeAll()
  return tape.contents()
}

/** A recording of one connection that sends `totalBytes`, made while it is read: it is never in memory as a whole. */
export async function* endless(totalBytes: number, chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  const tape = new Tape()
  const one = tape.connect(1)
  for (let left = totalBytes; left > 0; left -= chunk.length) {
    tape.say(one, 'upstream', chunk.subarray(0, left))
    if (!tape.recorder.hasFull) continue
    tape.writeAll()
    yield* tape.file.splice(0)
  }
  tape.hangUp(one)
  tape.writeAll()
  yield* tape.file.splice(0)
}

/** One request and one answer, closed by the client. */
export const PING_PONG = recorded((tape) => {
  const one = tape.connect(1)
  tape.say(one, 'upstream', 'PING\r\n')
  tape.say(one, 'downstream', '+PONG\r\n')
  tape.hangUp(one)
})

/** Three connections: one closed, one with a hole of 6 bytes in its middle, one that the file leaves open. */
export const HOLED = recorded((tape) => {
  const whole = tape.connect(1)
  const holed = tape.connect(2)
  tape.say(whole, 'upstream', 'one')
  tape.say(holed, 'upstream', 'before ')
  tape.writeAll()
  tape.say(holed, 'upstream', 'unseen')
  tape.write('write failed: ENOSPC')
  tape.say(holed, 'upstream', ' after')
  tape.writeAll()
  tape.hangUp(whole)
  tape.hangUp(holed)
  const left = tape.connect(3)
  tape.say(left, 'upstream', 'still there?')
})

/** The same packets as a classic pcap, without the annotations, as another tool would have captured them. */
export const asPcap = (pcapng: Uint8Array): Uint8Array => {
  const pcap = new Pcap('little')
  const packets = readAll(createPcapngReader(), pcapng).filter((record) => record.kind === 'packet')
  const records = packets.map(({ timeNs, data }) =>
    pcap.packet(Number(timeNs / 1_000_000_000n), Number((timeNs / 1000n) % 1_000_000n), data),
  )
  return concat(pcap.header(101), ...records)
}

export const tempDir = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'tidegate-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The path of a new file that holds these bytes. */
export const fileOf = (bytes: Uint8Array, name = 'recording'): string => {
  const path = join(tempDir(), name)
  writeFileSync(path, bytes)
  return path
}

const collector = () => {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  return { stream, bytes: () => Buffer.concat(chunks) }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly bytes: Buffer
  readonly stderr: string
}

export interface RunWith {
  readonly stdin?: AsyncIterable<Uint8Array>
  /** What stdout and stderr say they are. */
  readonly isTTY?: boolean
  readonly stdout?: Writable
}

/** Runs a command as the program does, and prints what it throws. */
export const runCommand = async (
  make: (io: CommandIo) => Command,
  args: readonly string[],
  { stdin, isTTY = false, stdout }: RunWith = {},
): Promise<Ran> => {
  const out = collector()
  const errors = collector()
  let code: number = EXIT.ok
  const io: CommandIo = {
    stdin: stdin ?? (async function* () {})(),
    stdout: Object.assign(stdout ?? out.stream, { isTTY }),
    stderr: Object.assign(errors.stream, { isTTY }),
    setExitCode: (next) => {
      code = next
    },
  }
  try {
    const command = make(io)
      .exitOverride()
      .configureOutput({ outputError: () => {} })
    await command.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    code = thrown instanceof CommanderError ? EXIT.usage : exitCodeOf(thrown)
    errors.stream.write(failureText(thrown))
  }
  return { code, stdout: out.bytes().toString(), bytes: out.bytes(), stderr: errors.bytes().toString() }
}

/** Each line of stdout as JSON. */
export const jsonLines = ({ stdout }: Ran): readonly Readonly<Record<string, unknown>>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)

/** One line on stderr, led by the program's name. */
export const ONE_LINE = /^tidegate: [^\n]+\n$/
