import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Direction } from '../../src/core/direction.js'
import {
  type Digest,
  type Digester,
  digester,
  fileDigest,
  payload,
  writePayload,
} from '../support/payload.js'
import { runWell } from '../support/processes.js'
import { expectSound, rawStreamTo } from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { type Nginx, startNginx } from '../support/servers/nginx.js'
import { LOOPBACK } from '../support/sockets.js'
import { type RecordingGateway, startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'

/** 1 GiB, as promised. A smaller one makes a quicker run while working on something. */
const LARGE_BYTES = Number(process.env.TEST_LARGE_BYTES ?? 1024 ** 3)
/** What tshark follows byte by byte; its follow-stream prints hex and would take minutes for the large one. */
const FOLLOWED_BYTES = 32 * 1024 ** 2

const LARGE_MS = 240_000

describeWith(['nginx', 'curl', 'tshark'], 'curl and nginx through a recording gateway', () => {
  const scope = blockScope()
  let nginx: Nginx
  let source: Digest

  const curl = (args: readonly string[], onStdout?: (chunk: Buffer) => void) =>
    runWell(toolPath('curl'), ['--silent', '--show-error', '--fail', '--noproxy', '*', ...args], {
      timeoutMs: LARGE_MS,
      ...(onStdout ? { onStdout } : {}),
    })
  const url = ({ port }: RecordingGateway, path: string): string => `http://${LOOPBACK}:${port}/${path}`

  const finish = async (gateway: RecordingGateway, connections: number): Promise<void> => {
    for (const { reason } of await gateway.closed(connections)) expect(reason).toMatch(/_fin$/)
    expect(await gateway.finish()).toBe(0)
  }

  beforeAll(async () => {
    nginx = await startNginx(scope)
    source = await writePayload(join(nginx.root, 'large.bin'), 1, LARGE_BYTES)
  }, LARGE_MS)

  it(
    `a download of ${LARGE_BYTES} bytes arrives and is recorded unchanged`,
    async () => {
      const gateway = await startRecorder(testScope(), nginx.port)
      const received = digester()
      await curl([url(gateway, 'large.bin')], received.push)
      expect(received.digest()).toEqual(source)
      await finish(gateway, 1)
      await expectSound(gateway.file, [], { reassemble: false })
      expect(await recordedBody(gateway.file, 'downstream')).toEqual(source)
    },
    LARGE_MS,
  )

  it(
    `an upload of ${LARGE_BYTES} bytes arrives and is recorded unchanged`,
    async () => {
      const gateway = await startRecorder(testScope(), nginx.port)
      const from = join(nginx.root, 'large.bin')
      const to = join(nginx.root, 'upload', 'large.bin')
      await curl(['--upload-file', from, url(gateway, 'upload/large.bin')])
      expect(await fileDigest(to)).toEqual(source)
      rmSync(to)
      await finish(gateway, 1)
      await expectSound(gateway.file, [], { reassemble: false })
      expect(await recordedBody(gateway.file, 'upstream')).toEqual(source)
    },
    LARGE_MS,
  )

  describe('byte by byte, as tshark follows it', () => {
    const body = payload(2, FOLLOWED_BYTES)

    it('a transfer each way is what was sent', async () => {
      const gateway = await startRecorder(testScope(), nginx.port)
      const path = join(scope.tempDir(), 'followed.bin')
      await writePayload(path, 2, FOLLOWED_BYTES)
      await curl(['--upload-file', path, url(gateway, 'upload/followed.bin')])
      const received = digester()
      await curl([url(gateway, 'upload/followed.bin')], received.push)
      expect(received.digest()).toEqual(await fileDigest(path))

      await finish(gateway, 2)
      const streams = await expectSound(gateway.file, [1, 2])
      expect(afterHead(streams.get(1)!.upstream).equals(body)).toBe(true)
      expect(afterHead(streams.get(2)!.downstream).equals(body)).toBe(true)
    }, 60_000)
  })
})

const END_OF_HEAD = '\r\n\r\n'

const afterHead = (message: Buffer): Buffer =>
  message.subarray(message.indexOf(END_OF_HEAD) + END_OF_HEAD.length)

/** The hash of the HTTP body that the recording has in this direction of its only connection. */
const recordedBody = async (file: string, direction: Direction): Promise<Digest> => {
  let head = Buffer.alloc(0)
  let body: Digester | undefined
  await rawStreamTo(file, 1, direction, (chunk) => {
    if (body) {
      body.push(chunk)
      return
    }
    head = Buffer.concat([head, chunk])
    if (!head.includes(END_OF_HEAD)) return
    body = digester()
    body.push(afterHead(head))
  })
  return body?.digest() ?? digester().digest()
}
