import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errnoOf } from '../../src/errors.js'
import { eventually, testScope, within } from '../support/scope.js'
import { dial, exchange, freePort, LOOPBACK, startServer } from '../support/sockets.js'
import { type Gateway, listening, portIn, startTidegate } from '../support/tidegate.js'

/** Says something on a connection that stays open, and resolves with the answer. */
const say = async (socket: Socket, text: string): Promise<string> => {
  const answered = once(socket, 'data')
  socket.write(text)
  const [answer] = (await within(5000, 'an answer', answered)) as [Buffer]
  return answer.toString()
}

const answering =
  (word: string) =>
  (socket: Socket): void => {
    socket.on('data', (chunk) => socket.write(`${word} ${chunk}`))
    socket.on('end', () => socket.end())
  }

const hangUp = async (gateway: Gateway, about: RegExp): Promise<string> => {
  gateway.daemon.child.kill('SIGHUP')
  const [line] = await gateway.lines(`${about}`, ({ msg }) => about.test(msg))
  return JSON.stringify(line)
}

describe('SIGHUP to a gateway of a config file', () => {
  const start = async () => {
    const ends = testScope()
    const before = await startServer(ends, answering('old'))
    const after = await startServer(ends, answering('new'))
    const config = join(ends.tempDir(), 'tidegate.yaml')
    const staying = await freePort()
    const write = (upstreamPort: number, more = ''): void =>
      writeFileSync(
        config,
        `listeners:
  - name: staying
    listen: ${LOOPBACK}:${staying}
    upstream: ${LOOPBACK}:${upstreamPort}
${more}`,
      )
    write(
      before.port,
      `  - name: leaving\n    listen: ${LOOPBACK}:0\n    upstream: ${LOOPBACK}:${before.port}\n`,
    )
    const gateway = startTidegate(ends, ['serve', config])
    const leaving = portIn((await listening(gateway, 2)).get('leaving') ?? '')
    return { ends, after, config, write, gateway, staying, leaving }
  }

  it('takes over a changed config: new connections follow it, open ones live on', async () => {
    const { ends, after, write, gateway, staying, leaving } = await start()
    const onStaying = await dial(ends, staying)
    const onLeaving = await dial(ends, leaving)
    expect(await say(onStaying, '1')).toBe('old 1')
    expect(await say(onLeaving, '1')).toBe('old 1')

    write(
      after.port,
      `  - name: coming\n    listen: ${LOOPBACK}:0\n    upstream: ${LOOPBACK}:${after.port}\n`,
    )
    await hangUp(gateway, /config reloaded/)
    const coming = portIn((await listening(gateway, 3)).get('coming') ?? '')
    for (const port of [staying, coming])
      expect((await exchange(await dial(ends, port), Buffer.from('2'))).toString()).toBe('new 2')
    await expect(dial(ends, leaving)).rejects.toSatisfy((error) => errnoOf(error) === 'ECONNREFUSED')
    expect(await say(onStaying, '3')).toBe('old 3')
    expect(await say(onLeaving, '3')).toBe('old 3')

    onStaying.destroy()
    onLeaving.destroy()
    await gateway.closed(4)
    expect(await gateway.finish()).toBe(0)
  })

  it('changes nothing if the config has a mistake, and says where; mended, it is taken over', async () => {
    const { ends, after, config, write, gateway, staying, leaving } = await start()
    const open = await dial(ends, staying)
    expect(await say(open, '1')).toBe('old 1')

    write(after.port, '    timeouts: { idle: soon }\n')
    const mistake = readFileSync(config, 'utf8')
    expect(await hangUp(gateway, /not reloaded/)).toMatch(/"level":"error".*listeners\[0\]\.timeouts\.idle/)
    expect(await say(open, '2')).toBe('old 2')
    for (const port of [staying, leaving]) expect(await say(await dial(ends, port), '2')).toBe('old 2')

    writeFileSync(config, mistake.replace('soon', '5m'))
    await hangUp(gateway, /config reloaded/)
    await eventually('the listener to be gone', async () =>
      dial(ends, leaving).then(
        () => false,
        () => true,
      ),
    )
    expect((await exchange(await dial(ends, staying), Buffer.from('3'))).toString()).toBe('new 3')
    expect(await say(open, '3')).toBe('old 3')
  })

  it('changes nothing if the config is not even YAML', async () => {
    const { ends, config, gateway, staying } = await start()
    writeFileSync(config, 'listeners: [')
    expect(await hangUp(gateway, /not reloaded/)).toMatch(/"level":"error"/)
    expect(await say(await dial(ends, staying), '1')).toBe('old 1')
  })
})
