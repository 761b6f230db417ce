import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import type { Direction, PerDirection } from '../../src/core/direction.js'
import { type Digest, type Digester, digester, fileDigest, writePayload } from '../support/payload.js'
import { runWell } from '../support/processes.js'
import { expectVerified, rawStreamTo } from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { type Nginx, startNginx } from '../support/servers/nginx.js'
import { IS_AT_LENGTH } from '../support/setting.js'
import { LOOPBACK } from '../support/sockets.js'
import { type RecordingGateway, startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { readWithTshark } from '../support/tshark.js'

/** In one setting more than any buffer, and in the others enough for every mode. `TEST_LARGE_BYTES=1073741824` is for a longer run. */
const SOME_BYTES = 32 * 1024 ** 2
const LARGE_BYTES = Number(process.env.TEST_LARGE_BYTES ?? (IS_AT_LENGTH ? 8 * SOME_BYTES : SOME_BYTES))
const UPLOAD_BYTES = Math.min(LARGE_BYTES, 4 * SOME_BYTES)

const LARGE_MS = 240_000

describeWith(['nginx', 'curl', 'tshark'], 'curl and nginx through a recording gateway', () => {
  const scope = blockScope()
  let nginx: Nginx
  let source: Digest
  let uploaded: Digest

  /** Resolves with the heads of the requests that curl sent, and of the replies that it got. */
  const curl = async (
    args: readonly string[],
    onStdout: (chunk: Buffer) => void,
  ): Promise<PerDirection<string>> => {
    const replies = join(testScope().tempDir(), 'heads')
    const { stderr } = await runWell(
      toolPath('curl'),
      ['--silent', '--show-error', '--verbose', '--fail', '--noproxy', '*', '-D', replies, ...args],
      { timeoutMs: LARGE_MS, onStdout },
    )
    const sent = stderr.split(/\r?\n/).flatMap((line) => (line.startsWith('> ') ? [line.slice(2)] : []))
    return {
      upstream: sent.map((line) => `${line}\r\n`).join(''),
      downstream: readFileSync(replies, 'latin1'),
    }
  }
  const url = ({ port }: RecordingGateway, path: string): string => `http://${LOOPBACK}:${port}/${path}`

  const expectRecorded = async (gateway: RecordingGateway, passed: PerDirection<Message>): Promise<void> => {
    for (const { reason } of await gateway.closed(1)) expect(reason).toMatch(/_fin$/)
    expect(await gateway.finish()).toBe(0)
    await expectVerified(gateway.file)

    const inspected = messages()
    for (const direction of ['upstream', 'downstream'] as const)
      await rawStreamTo(gateway.file, 1, direction, inspected.push[direction])
    expect(inspected.found()).toEqual(passed)

    const followed = messages()
    const odd = await readWithTshark(
      gateway.file,
      {
        connections: [1],
        sink: { begin: () => {}, push: (_, direction, bytes) => followed.push[direction](bytes) },
      },
      { reassemble: false },
    )
    expect(odd).toBe('')
    expect(followed.found()).toEqual(passed)
  }

  beforeAll(async () => {
    nginx = await startNginx(scope)
    source = await writePayload(join(nginx.root, 'large.bin'), 1, LARGE_BYTES)
    uploaded = await writePayload(join(nginx.root, 'upload.bin'), 2, UPLOAD_BYTES)
  }, LARGE_MS)

  it(
    `a download of ${LARGE_BYTES} bytes arrives and is recorded unchanged, as tshark follows it too`,
    async () => {
      const gateway = await startRecorder(testScope(), nginx.port)
      const received = digester()
      const heads = await curl([url(gateway, 'large.bin')], received.push)
      expect(received.digest()).toEqual(source)
      await expectRecorded(gateway, {
        upstream: { head: heads.upstream, body: digester().digest() },
        downstream: { head: heads.downstream, body: source },
      })
    },
    LARGE_MS,
  )

  it(
    `an upload of ${UPLOAD_BYTES} bytes arrives and is recorded unchanged, as tshark follows it too`,
    async () => {
      const gateway = await startRecorder(testScope(), nginx.port)
      const from = join(nginx.root, 'upload.bin')
      const to = join(nginx.root, 'upload', 'large.bin')
      const received: Buffer[] = []
      const args = ['--upload-file', from, url(gateway, 'upload/large.bin')]
      const heads = await curl(args, (chunk) => received.push(chunk))
      expect(await fileDigest(to)).toEqual(uploaded)
      rmSync(to)
      await expectRecorded(gateway, {
        upstream: { head: heads.upstream, body: uploaded },
        downstream: messageOf(Buffer.concat([Buffer.from(heads.downstream, 'latin1'), ...received])),
      })
    },
    LARGE_MS,
  )
})

const END_OF_HEAD = '\r\n\r\n'

/** One direction of a connection that has one request: all up to the first empty line, and a hash of what follows. */
interface Message {
  readonly head: string
  readonly body: Digest
}

const messageReader = () => {
  let head = Buffer.alloc(0)
  let body: Digester | undefined
  return {
    push: (chunk: Uint8Array): void => {
      if (body !== undefined) {
        body.push(chunk)
        return
      }
      head = Buffer.concat([head, chunk])
      const end = head.indexOf(END_OF_HEAD)
      if (end === -1) return
      body = digester()
      body.push(head.subarray(end + END_OF_HEAD.length))
      head = head.subarray(0, end + END_OF_HEAD.length)
    },
    found: (): Message => ({ head: head.toString('latin1'), body: (body ?? digester()).digest() }),
  }
}

const messageOf = (bytes: Buffer): Message => {
  const reader = messageReader()
  reader.push(bytes)
  return reader.found()
}

const messages = (): {
  readonly push: Record<Direction, (chunk: Uint8Array) => void>
  found(): PerDirection<Message>
} => {
  const upstream = messageReader()
  const downstream = messageReader()
  return {
    push: { upstream: upstream.push, downstream: downstream.push },
    found: () => ({ upstream: upstream.found(), downstream: downstream.found() }),
  }
}
