import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { payload } from '../support/payload.js'
import { expectSameBytes, expectSound, listConnections } from '../support/recording.js'
import { testScope } from '../support/scope.js'
import { dial, exchange, readAll } from '../support/sockets.js'
import { startWake } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'
import { isReady, notedService } from '../support/waking.js'

/** More than one buffer of a socket, and no multiple of anything. */
const WRITES = Array.from({ length: 40 }, (_, n) => payload(200 + n, 5_003 + 977 * n))
const LATER = payload(300, 100_003)

describeWith(['tshark'], 'a recording of a client that came before its service ran', () => {
  it('has all it sent meanwhile, in order and ahead of what it sent later, as the service got it', async () => {
    const ends = testScope()
    const service = await notedService(ends)
    const file = join(ends.tempDir(), 'recording.pcapng')
    const may = join(ends.tempDir(), 'may-listen')
    const flags = ['--idle', '100ms', '--out', file, '--env', `WOKEN_AWAITS=${may}`]
    const gateway = await startWake(ends, service.port, service.command, flags)
    const socket = await dial(ends, gateway.port)
    const answer = readAll(socket)
    for (const bytes of WRITES) {
      socket.write(bytes)
      // Not a wait for something to happen: they are to come one by one.
      await pause(2)
    }
    expect(gateway.log.some(isReady)).toBe(false)
    writeFileSync(may, '')
    await gateway.lines('it is ready', isReady)
    socket.end(LATER)
    const sent = Buffer.concat([...WRITES, LATER])
    const expected = Buffer.concat([Buffer.from(`pid ${service.pids()[0]}\n`), sent])
    expectSameBytes(await answer, expected, 'the answer')
    // Another life, in the same file.
    await service.allGone()
    await exchange(await dial(ends, gateway.port), Buffer.from('again'))
    await gateway.closed(2)
    expect(await gateway.finish()).toBe(0)

    const streams = await expectSound(file, [1, 2])
    expectSameBytes(streams.get(1)!.upstream, sent, 'what was recorded on its way to the service')
    expectSameBytes(streams.get(1)!.downstream, expected, 'what was recorded on its way back')
    expect(streams.get(2)!.downstream.toString()).toBe(`pid ${service.pids()[1]}\nagain`)
    expect((await listConnections(file)).map(({ reason }) => reason)).toEqual(['client_fin', 'client_fin'])
  }, 60_000)
})
