import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createPortableEngine } from '../../../src/engine/portable/engine.js'
import type { Conn } from '../../../src/ports/engine.js'
import { until } from '../../../src/testing/wait.js'

/** Beyond this, using every descriptor up would take too long. */
const MOST_DESCRIPTORS = 100_000

const limitOfDescriptors = (): number => {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
}

const limit = limitOfDescriptors()
const reason = limit > MOST_DESCRIPTORS ? ' (skipped: the limit is unknown or too high to reach)' : ''

/** Every descriptor but `spare`. */
const useUpDescriptors = (spare: number): number[] => {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'EMFILE' })
  }
  for (const fd of taken.splice(0, spare)) closeSync(fd)
  return taken
}

describe(`a process without a descriptor left${reason}`, () => {
  it.skipIf(limit > MOST_DESCRIPTORS)(
    'survives accepting, and accepts again when there are some',
    async () => {
      const engine = createPortableEngine()
      const accepted: Conn[] = []
      const listening = await engine.listen(
        { address: { kind: 'tcp', host: '127.0.0.1', port: 0 } },
        (conn) => accepted.push(conn),
      )
      const port = listening.address.kind === 'tcp' ? listening.address.port : 0
      const clients: Socket[] = []
      const dial = (): Socket => {
        const socket = connect({ host: '127.0.0.1', port })
        socket.on('error', () => {})
        clients.push(socket)
        return socket
      }
      const taken = useUpDescriptors(1)
      try {
        // The client takes the last one, so that there is none to accept it with.
        const unlucky = dial()
        await until(() => !unlucky.connecting, 'the client is connected, or refused')
        // libuv turns it away with a descriptor kept for that; whatever is free again now, is used up.
        taken.push(...useUpDescriptors(0))
        const refusal = await new Promise<string | undefined>((resolve) =>
          engine.dial(listening.address, { timeoutMs: 1000 }, (error) => resolve(error?.errno)),
        )
        expect(refusal).toBe('EMFILE')
        expect(accepted.length).toBe(0)
      } finally {
        for (const fd of taken) closeSync(fd)
      }
      const before = accepted.length
      dial()
      await until(() => accepted.length > before, 'the next client is accepted')
      for (const client of clients) client.destroy()
      await engine.close()
    },
  )
})
