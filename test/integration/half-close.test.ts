import { expect, it } from 'vitest'
import { digestOf, payload, seededRandom } from '../support/payload.js'
import { runWell } from '../support/processes.js'
import { expectSameBytes, expectSound, expectSoundThroughout, listConnections } from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { dial, exchange, LOOPBACK, readAll, startServer } from '../support/sockets.js'
import { startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'

const QUESTION = payload(4, 3 * 1024 ** 2)
const ANSWER = payload(5, 8 * 1024 ** 2)

/** Answers only once the whole question, to its FIN, has arrived. */
const startOneShot = async (scope: ReturnType<typeof blockScope>): Promise<number> => {
  const server = await startServer(scope, (socket) => {
    void readAll(socket).then(
      (question) =>
        socket.end(question.equals(QUESTION) ? ANSWER : `not the question: ${question.length} bytes`),
      () => socket.destroy(),
    )
  })
  return server.port
}

describeWith(['nc', 'tshark'], 'nc through a recording gateway', () => {
  const scope = blockScope()

  it('nc -N, which half-closes after its question, gets the whole answer', async () => {
    const gateway = await startRecorder(testScope(), await startOneShot(scope))
    const nc = await runWell(toolPath('nc'), ['-N', LOOPBACK, String(gateway.port)], { input: QUESTION })
    expectSameBytes(nc.stdout, ANSWER, 'what nc got')

    const [line] = await gateway.closed(1)
    expect(line).toMatchObject({
      reason: 'client_fin',
      bytes: { upstream: QUESTION.length, downstream: ANSWER.length },
    })
    expect(await gateway.finish()).toBe(0)
    const stream = (await expectSound(gateway.file, [1])).get(1)!
    expectSameBytes(stream.upstream, QUESTION, 'the recorded question')
    expectSameBytes(stream.downstream, ANSWER, 'the recorded answer')
  }, 60_000)

  it('nc -N gets all of its own bytes back from an echo server', async () => {
    const echo = await startServer(scope, (socket) => socket.pipe(socket))
    const gateway = await startRecorder(testScope(), echo.port)
    const nc = await runWell(toolPath('nc'), ['-N', LOOPBACK, String(gateway.port)], { input: ANSWER })
    expectSameBytes(nc.stdout, ANSWER, 'what came back')
    await gateway.closed(1)
    expect(await gateway.finish()).toBe(0)
    await expectSound(gateway.file)
  }, 60_000)
})

describeWith(['tshark'], 'known bytes through a recording gateway', () => {
  const scope = blockScope()

  it('each of many connections at once is recorded apart, byte for byte', async () => {
    const random = seededRandom(6)
    const sent = Array.from({ length: 20 }, (_, n) => payload(100 + n, Math.floor(random() * 300_000)))
    const echo = await startServer(scope, (socket) => socket.pipe(socket))
    const ends = testScope()
    const gateway = await startRecorder(ends, echo.port)
    const clients = await Promise.all(sent.map(() => dial(ends, gateway.port)))
    const ports = clients.map(({ localPort }) => localPort)
    const replies = await Promise.all(clients.map((client, n) => exchange(client, sent[n]!)))
    for (const [n, reply] of replies.entries()) expectSameBytes(reply, sent[n]!, `reply ${n}`)

    await gateway.closed(clients.length)
    expect(await gateway.finish()).toBe(0)
    const recorded = await expectSoundThroughout(gateway.file)
    const listed = await listConnections(gateway.file)
    expect(listed).toHaveLength(clients.length)
    for (const { connection, client, bytes } of listed) {
      const own = sent[ports.indexOf(Number(client.split(':').at(-1)))]!
      expect(bytes).toEqual({ upstream: own.length, downstream: own.length })
      expect(recorded.get(connection), client).toEqual({
        upstream: digestOf(own),
        downstream: digestOf(own),
      })
    }
  }, 120_000)
})
