import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { payload } from '../support/payload.js'
import { runWell } from '../support/processes.js'
import { expectSoundThroughout, listConnections, rawStream } from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { startNginx } from '../support/servers/nginx.js'
import { IS_AT_LENGTH } from '../support/setting.js'
import { LOOPBACK } from '../support/sockets.js'
import { startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { expectWitnessed, startWitness } from '../support/witness.js'

describeWith(['nginx', 'wrk', 'tshark'], 'nginx under wrk through a recording gateway', () => {
  const scope = blockScope()

  it('serves every request, and the recording has each of them', async () => {
    const nginx = await startNginx(scope)
    const page = payload(1, 1024)
    writeFileSync(join(nginx.root, 'page.bin'), page)
    const ends = testScope()
    const gateway = await startRecorder(ends, nginx.port)
    const witness = await startWitness(ends, gateway.port)
    const clients = 20
    const load = ['-t', '1', '-c', String(clients), '-d', IS_AT_LENGTH ? '3s' : '1s']
    const wrk = await runWell(toolPath('wrk'), [...load, `http://${LOOPBACK}:${witness.port}/page.bin`])
    const report = wrk.stdout.toString()
    expect(report).not.toMatch(/Socket errors|Non-2xx/)
    const served = Number(/(\d+) requests in/.exec(report)?.[1])
    expect(served).toBeGreaterThan(100)

    await gateway.closed(clients)
    expect(await gateway.finish()).toBe(0)
    const listed = await listConnections(gateway.file)
    // wrk tries the server with a connection of its own first.
    expect(listed.length).toBeGreaterThanOrEqual(clients)

    await expectWitnessed(witness, listed, await expectSoundThroughout(gateway.file))

    const chosen = listed.length
    const stream = {
      upstream: await rawStream(gateway.file, chosen, 'upstream'),
      downstream: await rawStream(gateway.file, chosen, 'downstream'),
    }
    const request = stream.upstream.subarray(0, stream.upstream.indexOf('\r\n\r\n') + 4)
    const requests = stream.upstream.length / request.length
    expect(Buffer.concat(Array.from({ length: Math.floor(requests) }, () => request))).toEqual(
      stream.upstream,
    )
    const bodies = bodiesOf(stream.downstream, page.length)
    // The last reply may have been cut off when wrk's time was over.
    expect(bodies.length).toBeGreaterThanOrEqual(requests - 1)
    expect(bodies.every((body) => body.equals(page))).toBe(true)
  }, 90_000)
})

/** The whole bodies in a stream of replies whose bodies have this length. */
const bodiesOf = (replies: Buffer, length: number): readonly Buffer[] => {
  const bodies: Buffer[] = []
  for (let at = 0; ; ) {
    const body = replies.indexOf('\r\n\r\n', at) + 4
    if (body < 4 || body + length > replies.length) return bodies
    expect(replies.subarray(at, body).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    bodies.push(replies.subarray(body, body + length))
    at = body + length
  }
}
