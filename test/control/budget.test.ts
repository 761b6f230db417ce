import { expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { readDescriptors } from '../../src/control/descriptors.js'
import { createGateway } from '../../src/control/gateway.js'
import { testScope } from '../support/scope.js'
import { dial, exchange, LOOPBACK, startServer } from '../support/sockets.js'

const MIN = 10_000

it('a reload that plans more descriptors than there are is refused, and everything stays as it was', async () => {
  const ends = testScope()
  const limit = readDescriptors()?.limit
  // Only where the system tells.
  if (limit === undefined) return
  const echo = await startServer(ends, (socket) => socket.pipe(socket))
  const config = (upstream: string): GatewayConfigInput => ({
    engine: 'portable',
    listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream }],
    upstreams: {
      hungry: {
        endpoints: Array.from({ length: Math.ceil(limit / MIN) }, (_, n) => `${LOOPBACK}:${n + 1}`),
        pool: { mode: 'prewarm', min: MIN, max: MIN },
      },
    },
  })
  const { upstreams, ...plain } = config(`${LOOPBACK}:${echo.port}`)
  const gateway = await createGateway(plain)
  ends.defer(() => gateway.destroy())
  const refusal = await gateway.reload({ ...plain, upstreams }).catch((thrown: unknown) => thrown)
  expect(refusal).toMatchObject({
    code: 'config_invalid',
    message: expect.stringMatching(/^config: \d+ descriptors may be open, but at least \d+ are needed: /),
  })
  expect(Object.keys(gateway.counters().upstreams)).toEqual([`${LOOPBACK}:${echo.port}`])
  const { address } = gateway.listeners[0] ?? { address: null }
  if (address?.kind !== 'tcp') throw new Error('not TCP')
  expect(String(await exchange(await dial(ends, address.port), Buffer.from('still')))).toBe('still')
})
