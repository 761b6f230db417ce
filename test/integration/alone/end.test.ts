import { once } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { payload } from '../../support/payload.js'
import { type Daemon, runWell, startDaemon } from '../../support/processes.js'
import { eventually, type Scope, testScope, within } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { dial, exchange, firstSocket, LOOPBACK, startServer } from '../../support/sockets.js'
import { startRecorder, tidegate } from '../../support/tidegate.js'

/** From what ends it to its end. */
const PROMPT_MS = 2000

const PROGRAM = join(import.meta.dirname, '../../support/programs/embedding.mjs')

const WORDS = payload(80, 64 * 1024)

/** Sends as much as is taken, and takes as much as comes, until the connection ends. */
const load = (socket: Socket): void => {
  const pour = (): void => {
    while (!socket.destroyed && socket.write(WORDS));
  }
  socket.on('drain', pour).resume()
  pour()
}

interface Program {
  readonly daemon: Daemon
  readonly port: number
  readonly recording: string
  /** Has it do something. */
  order(what: string): void
  /** The next line that it prints. */
  line(): Promise<unknown>
}

const startProgram = async (ends: Scope, does: string): Promise<Program> => {
  const echo = await startServer(ends, (socket) => socket.pipe(socket))
  const recording = join(ends.tempDir(), 'recording.pcapng')
  const config = {
    ...SETTING,
    listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
    record: { file: recording },
  }
  const daemon = startDaemon(ends, process.execPath, [PROGRAM, JSON.stringify(config), does], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const { stdin, stdout } = daemon.child
  if (stdin === null || stdout === null) throw new Error('not piped')
  const lines = createInterface({ input: stdout })
  const line = async (): Promise<unknown> => {
    const [text] = await within(20_000, `a line of the program: ${daemon.output()}`, once(lines, 'line'))
    return JSON.parse(String(text))
  }
  return { daemon, recording, order: (what) => stdin.write(`${what}\n`), line, port: Number(await line()) }
}

/** What was recorded until then can be read. */
const expectReadable = async (recording: string): Promise<void> => {
  const repaired = await tidegate(['verify', '--repair', recording])
  expect(repaired.code, repaired.stderr).toBe(0)
}

/** Their numbers, in what `ls -l` says of `/proc/self/fd`. */
const descriptorsIn = (listed: unknown): readonly number[] =>
  [...String(listed).matchAll(/ (\d+) -> /g)].map(([, fd]) => Number(fd)).sort((a, b) => a - b)

const promptly = async ({ exited, output }: Daemon): Promise<number | null> => {
  const { code } = await within(PROMPT_MS, 'the process to end', exited).catch((late: unknown) => {
    throw new Error(`${late}\n${output()}`)
  })
  return code
}

describe('a program with a gateway inside that records', () => {
  it.each(['exit in connectTarget', 'exit in onOpen'])('ends at once when it calls %s', async (does) => {
    const ends = testScope()
    const { daemon, port, recording } = await startProgram(ends, does)
    load(await dial(ends, port))
    expect(await promptly(daemon)).toBe(7)
    await expectReadable(recording)
  })

  it('ends at once when it calls exit in onClose, under load', async () => {
    const ends = testScope()
    const { daemon, port, recording } = await startProgram(ends, 'exit in onClose')
    load(await dial(ends, port))
    const [one, other] = [await dial(ends, port), await dial(ends, port)]
    other.resume()
    const answered = once(one, 'data')
    one.write('?')
    await answered
    one.destroy()
    expect(await promptly(daemon)).toBe(7)
    await expectReadable(recording)
  })

  it('ends at once of an error that nobody catches, under load', async () => {
    const ends = testScope()
    const { daemon, port, order, recording } = await startProgram(ends, 'wait')
    const busy = await dial(ends, port)
    load(busy)
    await once(busy, 'data')
    order('throw')
    expect(await promptly(daemon)).toBe(1)
    expect(daemon.output()).toContain('nobody catches this')
    await expectReadable(recording)
  })

  it.runIf(process.platform === 'linux')(
    'hands none of its descriptors to the processes that it starts',
    async () => {
      const ends = testScope()
      const { daemon, port, order, line } = await startProgram(ends, 'wait')
      const busy = await dial(ends, port)
      load(busy)
      await once(busy, 'data')
      expect(String(await exchange(await dial(ends, port), Buffer.from('?')))).toBe('?')
      const listed = line()
      order('spawn')
      // Its standard streams and the directory that it lists; and what whoever runs the tests hands to everybody.
      const { stdout } = await runWell('ls', ['-l', '/proc/self/fd'])
      expect(descriptorsIn(await listed)).toEqual(descriptorsIn(stdout))
      daemon.child.stdin?.end()
      expect(await promptly(daemon)).toBe(0)
    },
  )
})

describe('a recording gateway under load', () => {
  it('ends at once at the second SIGTERM', async () => {
    const ends = testScope()
    const echo = await startServer(ends, (socket) => socket.pipe(socket))
    const gateway = await startRecorder(ends, echo.port)
    const busy = await dial(ends, gateway.port)
    await firstSocket(echo)
    load(busy)
    await once(busy, 'data')
    gateway.daemon.child.kill('SIGTERM')
    await gateway.lines('that it drains', ({ msg }) => msg.startsWith('draining'))
    await eventually('bytes to go on', () => once(busy, 'data').then(() => true))
    gateway.daemon.child.kill('SIGTERM')
    expect(await promptly(gateway.daemon)).toBe(143)
    expect(gateway.noise).toEqual([])
    await expectReadable(gateway.file)
  })
})
