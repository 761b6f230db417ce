/** What tiproxy's README does with it, with `tidegate wake` in its place. */

import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { run } from '../support/processes.js'
import { eventually, testScope } from '../support/scope.js'
import { dial, LOOPBACK, lastingPort } from '../support/sockets.js'
import { startWake } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { startsOf, stopped } from '../support/waking.js'

const FLAGS = ['--workdir', '/usr/sbin', '--idle', '300ms', '--start', '10s', '--ready', '50ms']

/** Everything it has said so far. */
const heardBy = (socket: Socket): (() => string) => {
  let heard = ''
  socket.on('data', (chunk) => {
    heard += String(chunk)
  })
  return () => heard
}

describeWith(['ncat', 'curl'], 'ncat that runs only while somebody is connected', () => {
  // By its name alone, as people write it: found in PATH, whatever the working directory is.
  const ncat = (port: number, ...more: readonly string[]) => [
    'ncat',
    '-l',
    '-k',
    '-p',
    String(port),
    '-4',
    '-v',
    ...more,
  ]

  it('gets the request of a curl that came before it ran, and is stopped when that has given up', async () => {
    const port = await lastingPort()
    const gateway = await startWake(testScope(), port, ncat(port), FLAGS)
    // It answers nothing: curl waits for as long as it is told to. Or not that: of whoever is the first to be connected ncat takes
    // leave when it finds its own input at its end, and most often, but not always, that is the look whether it is ready.
    const args = ['-v', '-m', '2', `http://${LOOPBACK}:${gateway.port}/api`]
    const curl = await run(toolPath('curl'), args)
    expect([28, 52], curl.stderr).toContain(curl.code)
    expect(curl.stderr).toContain('GET /api HTTP/1.1')
    await gateway.lines('the request, which ncat prints', ({ msg, stream }) => {
      return stream === 'stdout' && msg === 'GET /api HTTP/1.1'
    })
    await stopped(gateway)
    expect(startsOf(gateway)).toBe(1)
    expect(await gateway.finish()).toBe(0)
  })

  it('as a broker gives what each terminal says to all the others, and runs again for who comes later', async () => {
    const ends = testScope()
    const port = await lastingPort()
    const gateway = await startWake(ends, port, ncat(port, '--broker'), FLAGS)
    const [x, y, z] = await Promise.all([1, 2, 3].map(() => dial(ends, gateway.port)))
    const heard = [x!, y!, z!].map(heardBy)
    // Whom the broker has not met yet hears nothing: it is said until both have heard it.
    await eventually('the others to hear the second', () => {
      if (heard[0]!() !== '' && heard[2]!() !== '') return true
      y!.write('HELLO\n')
      return false
    })
    for (const other of [heard[0]!, heard[2]!]) expect(other()).toMatch(/^(HELLO\n?)+/)
    z!.write('blah\n')
    await eventually('the first to hear the third', () => heard[0]!().endsWith('blah\n'))
    await eventually('the second to hear the third', () => heard[1]!() === 'blah\n')
    expect(heard[2]!()).not.toContain('blah')
    for (const socket of [x!, y!, z!]) socket.destroy()
    // Where the machine is slow to let clients in, it may have been idle before they were, and be another one.
    const starts = startsOf(gateway)
    await stopped(gateway, starts)
    const later = await dial(ends, gateway.port)
    await eventually('it runs again', () => startsOf(gateway) > starts)
    later.destroy()
    await stopped(gateway, starts + 1)
    expect(await gateway.finish()).toBe(0)
  })
})
