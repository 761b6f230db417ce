import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { descriptorsOf } from '../../support/proc.js'
import { startDaemon } from '../../support/processes.js'
import { eventually, testScope, within } from '../../support/scope.js'
import { SETTING } from '../../support/setting.js'
import { LOOPBACK, startServer } from '../../support/sockets.js'
import { describeWith, toolPath } from '../../support/tools.js'

const PROGRAM = join(import.meta.dirname, '../../support/programs/embedding.mjs')

const DESCRIPTORS = 256
const CLIENTS = 600

describeWith(['prlimit'], 'a gateway at the limit of descriptors whose routes take their time', () => {
  // What the portable engine does without a descriptor left is in crowd.test.ts.
  it.skipIf(SETTING.engine === 'portable')(
    'accepts no more clients, on all threads together, than it can connect (linux engine)',
    async () => {
      const ends = testScope()
      const echo = await startServer(ends, (socket) => socket.pipe(socket))
      const config = {
        ...SETTING,
        listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
      }
      const args = [PROGRAM, JSON.stringify(config), 'find routes slowly']
      const limited = [`--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, process.execPath, ...args]
      const daemon = startDaemon(ends, toolPath('prlimit'), limited, { stdio: ['pipe', 'pipe', 'pipe'] })
      const { stdin, stdout } = daemon.child
      if (stdin === null || stdout === null) throw new Error('not piped')
      const [port] = await within(20_000, 'the port', once(createInterface({ input: stdout }), 'line'))

      let [served, turnedAway] = [0, 0]
      const sockets = Array.from({ length: CLIENTS }, () => {
        const socket = connect(Number(port), LOOPBACK).on('error', () => {})
        let isServed = false
        socket.on('data', () => {
          isServed = true
          served++
          // Its place is another's.
          socket.end()
        })
        socket.once('close', () => {
          if (!isServed) turnedAway++
        })
        socket.write('?')
        return socket
      })
      ends.defer(() => sockets.forEach((socket) => void socket.destroy()))
      let mostOpen = 0
      await eventually(
        'all of them to be served',
        () => {
          mostOpen = Math.max(mostOpen, descriptorsOf(daemon.pid))
          return served + turnedAway === CLIENTS
        },
        40_000,
      )
      expect({ served, turnedAway }).toEqual({ served: CLIENTS, turnedAway: 0 })
      // Otherwise there was no limit to be kept.
      expect(mostOpen).toBeGreaterThan(DESCRIPTORS / 2)
      stdin.end()
      await within(5000, 'the program to end', daemon.exited)
    },
    60_000,
  )
})
