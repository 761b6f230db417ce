import { closeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createPortableEngine } from '../../../src/engine/portable/engine.js'
import type { Conn } from '../../../src/ports/engine.js'
import { until } from '../../../src/testing/wait.js'
import { canUseUpDescriptors, useUpDescriptors, whyNotUsedUp } from '../used-up.js'

describe(`a process without a descriptor left${whyNotUsedUp}`, () => {
  it.runIf(canUseUpDescriptors)('survives accepting, and accepts again when there are some', async () => {
    const engine = createPortableEngine()
    const accepted: Conn[] = []
    const listening = await engine.listen({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } }, (conn) =>
      accepted.push(conn),
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
  })
})
