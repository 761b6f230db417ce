import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { expectIdling } from '../../support/idling.js'
import { digestOf, payload } from '../../support/payload.js'
import { descriptorsOf } from '../../support/proc.js'
import { runWell } from '../../support/processes.js'
import { expectSameBytes, expectSoundThroughout, listConnections } from '../../support/recording.js'
import { eventually, testScope, within } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { dial, exchange, LOOPBACK, startServer } from '../../support/sockets.js'
import { startRecorder } from '../../support/tidegate.js'
import { describeWith, toolPath } from '../../support/tools.js'

/** Beyond those that it has at rest. Each connection takes two. */
const DESCRIPTORS = 44
/** Planned for what is opened later: 8 for admin, and one for each thread that accepts. */
const KEPT = 8 + 1 + SETTING.workers
const CLIENTS = 200
const MESSAGE = payload(60, 500_000)

describeWith(['prlimit', 'tshark'], 'a recording gateway without a descriptor left', () => {
  it('serves whom it has, does not spin, and serves and records again once clients have left', async () => {
    const ends = testScope()
    const echo = await startServer(ends, (socket) => socket.pipe(socket))
    const gateway = await startRecorder(ends, echo.port)
    const { pid } = gateway.daemon
    const atRest = descriptorsOf(pid)
    const limit = atRest + DESCRIPTORS
    // An eighth is in reserve, and one is no use to a client, who takes two.
    const full = limit - Math.floor(limit / 8) - KEPT - 1
    // Not before: Node opens more files than that at once to load its modules.
    await runWell(toolPath('prlimit'), [`--pid=${pid}`, `--nofile=${limit}:`])
    const first = await dial(ends, gateway.port)
    const firstPort = first.localPort
    const say = async (text: string): Promise<void> => {
      const answered = once(first, 'data')
      first.write(text)
      expect(String(await within(5000, 'an answer', answered))).toBe(text)
    }
    await say('before')

    // Those for whom there is no descriptor may be turned away while they are connecting.
    const crowd: Socket[] = Array.from({ length: CLIENTS }, () =>
      connect(gateway.port, LOOPBACK)
        .on('error', () => {})
        .resume(),
    )
    ends.defer(() => crowd.forEach((socket) => void socket.destroy()))
    await eventually('the descriptors to be taken', () => descriptorsOf(pid, limit) >= full)
    await say('meanwhile')
    await expectIdling(pid, 'while no descriptor is left')
    expect(gateway.daemon.isRunning()).toBe(true)
    await say('still')

    for (const socket of crowd) socket.destroy()
    await eventually('the descriptors to be free again', () => descriptorsOf(pid) <= atRest + 2)
    const late = await dial(ends, gateway.port)
    const latePort = late.localPort
    expectSameBytes(await exchange(late, MESSAGE), MESSAGE, 'the reply afterwards')
    await say('after')
    first.end()
    await eventually('the last ones to have left', () => descriptorsOf(pid) <= atRest)
    expect(await gateway.finish()).toBe(0)
    expect(gateway.noise).toEqual([])

    const recorded = await expectSoundThroughout(gateway.file)
    const listed = await listConnections(gateway.file)
    const recordedOf = (port: number | undefined) =>
      recorded.get(listed.find(({ client }) => client.endsWith(`:${port}`))?.connection ?? 0)
    const words = digestOf(Buffer.from('beforemeanwhilestillafter'))
    expect(recordedOf(firstPort)).toEqual({ upstream: words, downstream: words })
    const message = digestOf(MESSAGE)
    expect(recordedOf(latePort)).toEqual({ upstream: message, downstream: message })
  }, 60_000)
})
