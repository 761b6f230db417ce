import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { fileDigest, writePayload } from '../support/payload.js'
import { run, runWell } from '../support/processes.js'
import { expectSameBytes, expectSound } from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { type Sshd, startSshd } from '../support/servers/sshd.js'
import { LOOPBACK } from '../support/sockets.js'
import { type RecordingGateway, startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'

const FILE_BYTES = 16 * 1024 ** 2

describeWith(
  ['sshd', 'ssh', 'ssh-keygen', 'scp', 'socat', 'tshark'],
  'ssh through a recording gateway',
  () => {
    const scope = blockScope()
    let sshd: Sshd
    beforeAll(async () => {
      sshd = await startSshd(scope)
    })

    /** Lets ssh reach the gateway through socat, which keeps what passes each way: what was really sent and received. */
    const witnessed = (gateway: RecordingGateway) => {
      const directory = testScope().tempDir()
      const sent = join(directory, 'sent')
      const received = join(directory, 'received')
      const proxy = `${toolPath('socat')} -r ${sent} -R ${received} - TCP:${LOOPBACK}:${gateway.port}`
      return {
        options: [...sshd.clientOptions, '-o', `ProxyCommand=${proxy}`],
        /** Ends the gateway, and compares its only connection with what socat saw. */
        check: async (): Promise<void> => {
          await gateway.closed(1)
          expect(await gateway.finish()).toBe(0)
          const stream = (await expectSound(gateway.file, [1])).get(1)!
          expectSameBytes(stream.upstream, readFileSync(sent), 'what the ssh client sent')
          expectSameBytes(stream.downstream, readFileSync(received), 'what the ssh client received')
        },
      }
    }

    it('a session with input, output and an exit code is as it is without the gateway', async () => {
      const gateway = await startRecorder(testScope(), sshd.port)
      const { options, check } = witnessed(gateway)
      const command = 'echo "hello from $((6 * 7))"; while read word; do echo "got $word"; done; exit 7'
      const session = await run(toolPath('ssh'), [...options, `${sshd.user}@${LOOPBACK}`, command], {
        input: 'one\ntwo\n',
      })
      expect(session).toMatchObject({ code: 7, stderr: '' })
      expect(session.stdout.toString()).toBe('hello from 42\ngot one\ngot two\n')
      await check()
    }, 60_000)

    it('a command with megabytes of output gives all of it', async () => {
      const gateway = await startRecorder(testScope(), sshd.port)
      const { options, check } = witnessed(gateway)
      const output = await runWell(toolPath('ssh'), [...options, `${sshd.user}@${LOOPBACK}`, 'seq 1 500000'])
      const expected = Array.from({ length: 500_000 }, (_, n) => `${n + 1}\n`).join('')
      expectSameBytes(output.stdout, Buffer.from(expected), 'what the command printed')
      await check()
    }, 60_000)

    it('scp copies a file there and back unchanged', async () => {
      const directory = testScope().tempDir()
      const file = (name: string): string => join(directory, name)
      const source = await writePayload(file('source'), 3, FILE_BYTES)
      const remote = (name: string): string => `${sshd.user}@${LOOPBACK}:${file(name)}`

      const there = await startRecorder(testScope(), sshd.port)
      const sending = witnessed(there)
      await runWell(toolPath('scp'), ['-q', ...sending.options, file('source'), remote('there')])
      expect(await fileDigest(file('there'))).toEqual(source)
      await sending.check()

      const back = await startRecorder(testScope(), sshd.port)
      const fetching = witnessed(back)
      await runWell(toolPath('scp'), ['-q', ...fetching.options, remote('there'), file('back')])
      expect(await fileDigest(file('back'))).toEqual(source)
      await fetching.check()
    }, 90_000)
  },
)
